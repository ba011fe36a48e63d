package materialize

import (
	"errors"
	"io"
	"io/fs"
	"path"

	"spacefs/conflict"
)

// stagedFile is a file on its way, beside its target.
type stagedFile struct {
	action *conflict.Action
	temp   string
	fresh  *freshDir      // in which it comes to its place; nil: by itself
	as     conflict.Entry // what it shall be
	mtime  int64
	// How it went, written by who makes it and puts it in place.
	looks   stamp
	refused []refused
	err     error
}

// isNew: there is nothing in its place.
func (st *stagedFile) isNew() bool { return st.action.Expect.Kind == conflict.Absent }

// stage writes the space's content beside its target, or has the crew do it;
// gather hears how that went.
func (x *executor) stage(a *conflict.Action) error {
	st := &stagedFile{action: a, as: x.withOwnAttributes(*a)}
	st.fresh, st.temp = x.tempFor(a.Path)
	if x.ahead != nil {
		content, err := x.next(a.Path)
		if err != nil {
			return err
		}
		st.mtime = x.space[a.Path].Attr.Mtime
		x.ahead.at.files = append(x.ahead.at.files, toMake{st, content})
	} else {
		content, mtime, err := x.spaceContent(*a)
		if err != nil {
			return err
		}
		st.mtime = mtime
		if x.make(x.disk, st, content); st.err != nil {
			return st.err
		}
	}
	x.staged = append(x.staged, st)
	x.bytes += a.Want.Size
	return nil
}

// make makes a staged file; of one that fails nothing stays. Several make some at
// once.
func (x *executor) make(d disk, st *stagedFile, content io.Reader) {
	st.looks, st.refused, st.err = d.create(st.temp, content, st.as, st.mtime)
	if st.err != nil {
		_ = x.mirror.root.Remove(st.temp)
	}
}

// gather waits until all that is staged is there, and drops what failed.
func (x *executor) gather() {
	if x.ahead != nil {
		x.handOver()
	}
	x.crew.wait()
	made := x.staged[:0]
	for _, st := range x.staged {
		if st.err != nil {
			x.note(st.action, st.err)
			continue
		}
		if x.attributes {
			x.refuse(st.action, "", st.refused)
			st.refused = nil
		}
		x.written[st.action.Path] = st
		made = append(made, st)
	}
	x.staged = made
}

// spaceContent opens the content a write brings to the mirror.
func (x *executor) spaceContent(a conflict.Action) (content io.Reader, mtime int64, err error) {
	if a.Content == conflict.OtherSide {
		return x.otherSide(a)
	}
	return x.supply(a)
}

func (x *executor) otherSide(a conflict.Action) (io.Reader, int64, error) {
	id, mtime := x.base[a.Path].Node, x.base[a.Path].MirrorMtime
	it, known := x.space[a.Path]
	if !known && id == 0 { // the base was put back by an undo, which knows no node
		var err error
		if it, err = x.snapshot.Item(x.before(conflict.Space, a.Path)); err != nil {
			return nil, 0, err
		}
		known = true
	}
	if known {
		content, err := x.snapshot.Content(it.Ref())
		return content, it.Attr.Mtime, err
	}
	content, err := x.snapshot.Open(id)
	return content, mtime, err
}

// place renames all that is staged, and was made durable, to where it belongs.
func (x *executor) place() {
	x.crew.share(len(x.staged), func(m member, from, to int) {
		for _, st := range x.staged[from:to] {
			if st.isNew() && st.fresh == nil && st.err == nil {
				st.err = x.rename(m.disk, st.temp, st.action)
			}
		}
	})
	for _, st := range x.staged {
		if st.fresh != nil && st.fresh.err != nil {
			continue // it went with its directory
		}
		if !st.isNew() && st.err == nil {
			if st.err = x.expected(*st.action); st.err == nil {
				st.err = x.rename(x.disk, st.temp, st.action)
			}
		}
		if st.err != nil {
			_ = x.mirror.root.Remove(st.temp)
			x.note(st.action, st.err)
			continue
		}
		x.done = append(x.done, st.action)
	}
}

// rename puts what is staged in place of what the action expects, if that is
// there: whether nothing is, the renaming finds out itself.
func (x *executor) rename(d disk, temp string, a *conflict.Action) error {
	dir, name := path.Split(a.Path)
	err := d.rename(dir, path.Base(temp), name, a.Expect.Kind == conflict.Absent)
	if errors.Is(err, fs.ErrExist) {
		return errChanged
	}
	return err
}
