package materialize

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"spacefs/conflict"
)

// freshDir is a new directory on its way. It is filled beside its place and comes
// to it whole: nobody sees half of it, and what is in it needs no name of its own
// on the way.
type freshDir struct {
	action *conflict.Action
	temp   string
	err    error // why it did not come to its place
}

// within returns the fresh directory that a path of the mirror is in, or is, and
// where the path is meanwhile; without one, nil and the path.
func (x *executor) within(path string) (*freshDir, string) {
	for dir := path; dir != "" && len(x.fresh) > 0; dir, _ = splitPath(dir) {
		if f := x.fresh[dir]; f != nil {
			return f, f.temp + path[len(dir):]
		}
	}
	return nil, path
}

// mkdir makes a directory where nothing is.
func (x *executor) mkdir(a *conflict.Action) error {
	f, at := x.within(a.Path)
	begins := f == nil && x.mayFill()
	if begins {
		at = x.beside(a.Path)
	}
	switch err := x.disk.mkdir(at, a.Want.Mode|ownerAll); {
	case errors.Is(err, fs.ErrExist):
		return errChanged
	case err != nil:
		return err
	}
	if begins {
		x.fresh[a.Path] = &freshDir{action: a, temp: at}
	}
	if a.Want.Mode&ownerAll != ownerAll {
		x.narrow = append(x.narrow, *a)
	}
	return x.attributeMirror(a)
}

// mayFill says whether a new directory is worth it: with much to come, and
// nothing to be moved into it, which asks for its place.
func (x *executor) mayFill() bool { return x.ahead != nil && x.toMove == 0 }

// placeFresh has the fresh directories come to their places. Of one that cannot,
// because something came there meanwhile, nothing stays, and nothing in it counts
// as done.
func (x *executor) placeFresh() {
	list := slices.SortedFunc(maps.Values(x.fresh), func(f, g *freshDir) int { return strings.Compare(f.action.Path, g.action.Path) })
	x.crew.share(len(list), func(m member, from, to int) {
		for _, f := range list[from:to] {
			if f.err == nil {
				f.err = x.rename(m.disk, f.temp, f.action)
			}
		}
	})
	var not pathSet
	for _, f := range list {
		if f.err != nil {
			_ = x.mirror.root.RemoveAll(f.temp)
			x.note(f.action, f.err)
			not.put(f.action.Path)
		}
	}
	x.done = slices.DeleteFunc(x.done, func(a *conflict.Action) bool { return a.Side == conflict.Mirror && not.cover(a.Path) })
}
