package materialize

import (
	"slices"
	"strings"
	"time"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// advance moves the base of every path that was done to what is there now. Of
// several actions at a path the last one says what is there.
func (x *executor) advance() error {
	looks := x.lookAtDone()
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
			b := x.baseAfter(a, looks[i])
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
	if x.mirror == nil {
		return x.book(nil)
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
	agreed := x.agreedAttributes(bases)
	return x.book(func() error { return x.tree.Store().AdvanceBaseWith(x.mirror.known.ID, set, remove, agreed) })
}

// book has the store told of a batch while the next one is made, after the one
// before: what the base knows of, the record knows of. It returns what became of
// that one.
func (x *executor) book(bases func() error) error {
	if err := x.booked(); err != nil {
		return err
	}
	records := x.record.take()
	x.booking = make(chan error, 1)
	go func() {
		err := records()
		if err == nil && bases != nil {
			err = bases()
		}
		x.booking <- err
	}()
	return nil
}

// booked waits until the store knows all that was booked.
func (x *executor) booked() error {
	if x.booking == nil {
		return nil
	}
	err := <-x.booking
	x.booking = nil
	return err
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
func (x *executor) baseAfter(a *conflict.Action, found look) spacedb.BaseEntry {
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
	st := x.looksNow(a, found)
	b.MirrorMode, b.MirrorSize, b.MirrorMtime, b.MirrorCtime, b.MirrorInode = st.mode, st.size, st.mtime, st.ctime, st.inode
	return b
}

// looksNow is how the mirror looks where it holds what was agreed on. What has
// changed again since is remembered as it was then: so the next look finds a
// change of what was agreed on, and not something that nobody knows.
func (x *executor) looksNow(a *conflict.Action, found look) stamp {
	was := x.lastSeen(a.Path)
	switch {
	case a.Want.Kind == conflict.Directory:
		was = stamp{mode: spacedb.TypeDir | a.Want.Mode}
	case a.Want.Kind == conflict.Symlink:
		was = stamp{mode: spacedb.TypeSymlink | 0o777}
	case a.Op == conflict.Write && a.Side == conflict.Mirror:
		was = x.written[a.Path].looks
	}
	was.ctime = 0 // the next look looks inside
	now := found.stamp
	if found.err != nil {
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
		return now.settled(found.at)
	case a.Want.Kind == conflict.Directory:
		return now
	case a.Want.Kind == conflict.File && !(sameMode && now.inode == was.inode && now.size == was.size && now.mtime == was.mtime):
		return was
	}
	return now.settled(found.at)
}

// look is how the mirror looks at a path, and when.
type look struct {
	stamp
	err error
	at  time.Time
}

func (x *executor) lookAt(m member, path string) (l look) {
	l.at = x.now()
	l.stamp, l.err = m.reach.look(path)
	return l
}

// lookAtDone looks at the mirror where something was done and is there now, in the
// order of done.
func (x *executor) lookAtDone() []look {
	if x.mirror == nil {
		return nil
	}
	looks := make([]look, len(x.done))
	x.crew.share(len(looks), func(m member, from, to int) {
		for i := from; i < to; i++ {
			if a := x.done[i]; a.Op != conflict.Move && a.Want.Kind != conflict.Absent {
				looks[i] = x.lookAt(m, a.Path)
			}
		}
	})
	return looks
}
