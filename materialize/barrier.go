package materialize

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// barrier makes everything since the last one durable and then moves the bases.
func (x *executor) barrier() error {
	few := len(x.staged) <= fewFiles
	var failed error
	x.reach.letGo()
	if len(x.staged) > 0 && !few {
		failed = x.disk.syncAll()
	}
	for _, st := range x.staged {
		dir, name := path.Split(st.action.Path)
		err := failed
		if err == nil && few {
			err = x.disk.syncFile(st.temp)
		}
		if err == nil {
			err = x.rename(st.temp, dir, name, st.action)
		} else {
			_ = x.mirror.root.Remove(st.temp)
		}
		if err != nil {
			x.note(st.action, err)
			continue
		}
		x.done = append(x.done, st.action)
	}
	if err := x.syncDirs(few); err != nil {
		return fmt.Errorf("the mirror cannot be made durable: %w", err)
	}
	x.reach.letGo()
	err := x.advance()
	x.staged, x.bytes, x.done = x.staged[:0], 0, x.done[:0]
	clear(x.dirs)
	clear(x.written)
	clear(x.renamed)
	return err
}

func (x *executor) syncDirs(few bool) error {
	if len(x.dirs) == 0 {
		return nil
	}
	if !few || len(x.dirs) > fewFiles {
		return x.disk.syncAll()
	}
	for dir := range x.dirs {
		err := x.disk.syncFile(orDot(dir))
		// A directory that went meanwhile is its parent's matter, which is here too.
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return err
		}
	}
	return nil
}

func orDot(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
}

// advance moves the base of every path that was done to what is there now. Of
// several actions at a path the last one says what is there.
func (x *executor) advance() error {
	bases := map[string]*spacedb.BaseEntry{} // nil: none any more
	last := make(map[string]int, len(x.done))
	for i, a := range x.done {
		last[a.Path] = i
	}
	for i, a := range x.done {
		switch {
		case a.Op == conflict.Move:
			x.rebase(a, bases)
		case !x.agreed(a) || last[a.Path] != i || x.failed.cover(a.Path):
		case a.Want.Kind == conflict.Absent:
			bases[a.Path] = nil
		default:
			b := x.baseAfter(a)
			if a.Op == conflict.Mkdir && a.Side == conflict.Mirror {
				b.Mode |= ownerAll // see narrowDown
			}
			bases[a.Path] = &b
		}
		if a.Op == conflict.Move {
			x.record.waiting = append(x.record.waiting, x.renamed[a.Path].records...)
		} else {
			x.record.add(a, "")
		}
		x.did = append(x.did, a)
		if a.Op != conflict.Adopt {
			x.report.Tell(actionEvent(*a))
		}
	}
	if err := x.record.flush(); err != nil {
		return err
	}
	if x.mirror == nil {
		return nil
	}
	set := make([]spacedb.BaseEntry, 0, len(bases))
	var remove []string
	for p, b := range bases {
		if b != nil {
			set = append(set, *b)
		} else {
			remove = append(remove, p)
		}
	}
	slices.SortFunc(set, func(a, b spacedb.BaseEntry) int { return strings.Compare(a.Path, b.Path) }) // as they are stored
	return x.tree.Store().AdvanceBaseWith(x.mirror.known.ID, set, remove, x.agreedAttributes(bases))
}

// rebase has the base follow a move.
func (x *executor) rebase(a *conflict.Action, bases map[string]*spacedb.BaseEntry) {
	for _, p := range x.renamed[a.Path].gone {
		bases[p] = nil
		q, _ := moved(p, a.From, a.Path)
		if b, still := x.base[q]; still { // or it was moved on
			bases[q] = &b
		}
	}
}

// agreed says whether an action makes both sides agree on its path.
func (x *executor) agreed(a *conflict.Action) bool {
	_, apart := x.apart[a.Path]
	return x.mirror != nil && !apart
}

// baseAfter is the base entry for a path on which both sides now hold Want.
func (x *executor) baseAfter(a *conflict.Action) spacedb.BaseEntry {
	b := spacedb.BaseEntry{Path: a.Path, SHA256: spacedb.Hash(a.Want.Hash), Target: a.Want.Target, Size: a.Want.Size, Attributes: a.Agreement().Attributes}
	switch {
	case a.Want.Kind == conflict.Directory:
		b.Mode = spacedb.TypeDir | a.Want.Mode
	case a.Want.Kind == conflict.Symlink:
		b.Mode = spacedb.TypeSymlink | 0o777
	default:
		b.Mode = spacedb.TypeRegular | a.Want.Mode
	}
	b.Node, b.Version = x.base[a.Path].Node, x.base[a.Path].Version
	if it, ok := x.space[a.Path]; ok {
		b.Node, b.Version = it.Attr.ID, it.Attr.Version
	}
	if attr, ok := x.placed[a.Path]; ok {
		b.Node, b.Version = attr.ID, attr.Version
	}
	st := x.looksNow(a)
	b.MirrorMode, b.MirrorSize, b.MirrorMtime, b.MirrorCtime, b.MirrorInode = st.mode, st.size, st.mtime, st.ctime, st.inode
	return b
}

// looksNow is how the mirror looks where it holds what was agreed on. What has
// changed again since is remembered as it was then: so the next look finds a
// change of what was agreed on, and not something that nobody knows.
func (x *executor) looksNow(a *conflict.Action) stamp {
	was := x.lastSeen(a.Path)
	switch {
	case a.Want.Kind == conflict.Directory:
		was = stamp{mode: spacedb.TypeDir | a.Want.Mode}
	case a.Want.Kind == conflict.Symlink:
		was = stamp{mode: spacedb.TypeSymlink | 0o777}
	case a.Op == conflict.Write && a.Side == conflict.Mirror:
		was = x.written[a.Path]
	}
	was.ctime = 0 // the next look looks inside
	now, err := x.reach.look(a.Path)
	if err != nil {
		return was
	}
	sameKind := now.mode&spacedb.TypeMask == was.mode&spacedb.TypeMask
	sameMode := now.mode == was.mode || a.Op == conflict.Chmod && a.Side == conflict.Mirror
	switch {
	case !sameKind:
		return was
	case x.hasAttributes(a.Path, mirrorHolds(*a)) != nil:
		return was
	case a.Want.Kind == conflict.Directory && x.attributes:
		return now.settled(x.now())
	case a.Want.Kind == conflict.Directory:
		return now
	case a.Want.Kind == conflict.File && !(sameMode && now.inode == was.inode && now.size == was.size && now.mtime == was.mtime):
		return was
	}
	return now.settled(x.now())
}
