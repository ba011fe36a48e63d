package materialize

import (
	"errors"
	"os"
	"syscall"
	"time"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// The moves of a plan come first, and the rest of it speaks of paths as they are
// afterwards. What was looked at before is therefore known under its new path
// from then on, on the side that was moved and in the base.

// moved is a path below or at from, as it is called after a move to to.
func moved(p, from, to string) (string, bool) {
	if isWithin(p, from) {
		return to + p[len(from):], true
	}
	return p, false
}

// before is what a side called a path before the plan's moves.
func (x *executor) before(side conflict.Side, p string) string {
	for i := len(x.moves) - 1; i >= 0; i-- {
		if m := x.moves[i]; m.Side == side {
			p, _ = moved(p, m.Path, m.From)
		}
	}
	return p
}

func movesOf(plan conflict.Plan) (list []conflict.Action) {
	for i := range plan.Actions {
		if a := &plan.Actions[i]; a.Op == conflict.Move {
			list = append(list, *a)
		}
	}
	return list
}

// move makes a move on its side.
func (x *executor) move(a conflict.Action) error {
	x.toMove--
	var err error
	if a.Side == conflict.Space {
		err = x.moveInSpace(a)
	} else {
		err = x.moveInMirror(a)
	}
	if errors.Is(err, syscall.EXDEV) {
		x.noMoves = true // a filesystem in the mirror: next time it is copied
		err = errChanged
	}
	if err == nil {
		x.renamed[a.Path] = x.follow(a)
	}
	return err
}

func (x *executor) moveInSpace(a conflict.Action) error {
	here := a
	here.Path = a.From
	guard, err := x.guardOf(here)
	if err == nil {
		_, err = x.tree.MoveAt(a.From, guard, a.Path)
	}
	return err
}

func (x *executor) moveInMirror(a conflict.Action) error {
	here := a
	here.Path = a.From
	if err := x.expected(here); err != nil {
		return err
	}
	// On a filesystem that folds names, the new one may be what is moved.
	there, err := x.mirror.root.Lstat(a.Path)
	same := false
	if err == nil {
		source, err := x.mirror.root.Lstat(a.From)
		if same = err == nil && (os.SameFile(source, there) || x.oneName(a.From, a.Path)); !same {
			return errChanged
		}
	}
	for _, p := range []string{a.From, a.Path} {
		dir, _ := splitPath(p)
		x.dirs[dir] = struct{}{}
	}
	return x.disk.move(a.From, a.Path, !same)
}

// oneName says whether the mirror's filesystem takes two paths for one.
func (x *executor) oneName(p, q string) bool {
	dir, name := splitPath(p)
	otherDir, other := splitPath(q)
	return x.fold != nil && dir == otherDir && x.fold(name) == x.fold(other)
}

// renaming is what a move did, for the base and the record.
type renaming struct {
	gone    []string // paths that the base had
	records []spacedb.ActionRecord
}

// follow has everything that is known of a moved path, and of what is below it,
// be known under its new name.
func (x *executor) follow(a conflict.Action) (r renaming) {
	r.records = x.movedStates(a)
	for p, b := range x.base {
		if q, ok := moved(p, a.From, a.Path); ok {
			delete(x.base, p)
			b.Path = q
			x.base[q] = b
			r.gone = append(r.gone, p)
		}
	}
	if a.Side == conflict.Space {
		rekey(x.space, a)
		x.agree(a)
		return r
	}
	rekey(x.seen, a)
	rekey(x.touched, a)
	x.restamp(a.Path)
	return r
}

func rekey[T any](known map[string]T, a conflict.Action) {
	for p, v := range known {
		if q, ok := moved(p, a.From, a.Path); ok {
			delete(known, p)
			known[q] = v
		}
	}
}

// agree has the base know how the mirror's files look that were moved there by
// whoever did it.
func (x *executor) agree(a conflict.Action) {
	for q, o := range x.seen {
		if _, ok := moved(q, a.Path, a.From); !ok {
			continue
		}
		if b, known := x.base[q]; known && o.Entry.Same(baseEntry(b)) {
			b.MirrorMode, b.MirrorSize, b.MirrorMtime, b.MirrorCtime, b.MirrorInode = o.stat.mode, o.stat.size, o.stat.mtime, o.stat.ctime, o.stat.inode
			x.base[q] = b
		}
	}
}

// restamp takes note that a file was moved, which changes its ctime.
func (x *executor) restamp(p string) {
	info, err := x.mirror.root.Lstat(p)
	if err != nil || info.IsDir() {
		return
	}
	st := stampOf(info)
	if o, ok := x.seen[p]; ok {
		o.stat.ctime = st.ctime
		x.seen[p] = o
	}
	if o, ok := x.touched[p]; ok {
		o.stat.ctime = st.ctime
		x.touched[p] = o
	}
	if b, ok := x.base[p]; ok && baseStamp(b).mtime == st.mtime && baseStamp(b).inode == st.inode {
		b.MirrorCtime = st.settled(x.now()).ctime
		x.base[p] = b
	}
}

// movedStates records a move path by path: so a run can be taken back without
// knowing of moves.
func (x *executor) movedStates(a conflict.Action) (list []spacedb.ActionRecord) {
	states := map[string]conflict.Entry{}
	for p, b := range x.base {
		states[p] = baseEntry(b)
	}
	if a.Side == conflict.Space {
		for p, it := range x.space {
			states[p] = itemEntry(it)
		}
	} else {
		for p, o := range x.seen {
			states[p] = o.Entry
		}
	}
	for p, e := range states {
		q, ok := moved(p, a.From, a.Path)
		if !ok || e.Kind == conflict.Absent {
			continue
		}
		left := spacedb.ActionRecord{Path: p, Op: a.Op.String(), Side: a.Side.String(), Reason: a.Reason + ", to " + q, Before: x.record.stateOf(e)}
		if b, known := x.base[p]; known {
			left.Base = x.record.stateOf(baseEntry(b))
		}
		came := spacedb.ActionRecord{Path: q, Op: a.Op.String(), Side: a.Side.String(), Reason: a.Reason + ", from " + p, After: x.record.stateOf(e)}
		list = append(list, left, came)
	}
	return list
}

// mistrustInodes forgets who something new in the mirror is where its inode
// number was that of something that is gone, but it was made since: numbers are
// used again. A directory is the same if something in it is; else, and for files
// of other content, the time of birth tells.
func (s *syncer) mistrustInodes(base, mirror conflict.Tree) {
	gone, arrived := map[uint64]string{}, map[uint64]string{}
	for p, b := range base {
		if b.Inode != 0 && mirror[p].Kind == conflict.Absent {
			gone[b.Inode] = p
		}
	}
	for p, e := range mirror {
		if base[p].Kind == conflict.Absent {
			arrived[e.Inode] = p
		}
	}
	moved := map[[2]string]bool{} // directories that something moved from and to
	for inode, p := range gone {
		if q, ok := arrived[inode]; ok {
			from, _ := splitPath(p)
			to, _ := splitPath(q)
			moved[[2]string{from, to}] = true
		}
	}
	for inode, q := range arrived {
		p, again := gone[inode]
		e := mirror[q]
		if !again || e.Kind == conflict.File && e.Hash == base[p].Hash || e.Kind == conflict.Directory && moved[[2]string{p, q}] {
			continue
		}
		if !s.bornBefore(q, s.mirror.known.LastSync) {
			e.Inode = 0
			mirror[q] = e
		}
	}
}

func (s *syncer) bornBefore(p string, when time.Time) bool {
	born, known := bornAt(s.mirror.root, p)
	return known && born+int64(tick) <= when.UnixNano() // the filesystem's clock may be behind
}

func bornAt(root *os.Root, p string) (ns int64, known bool) {
	dir, name := splitPath(p)
	d, err := root.Open(orDot(dir))
	if err != nil {
		return 0, false
	}
	defer d.Close()
	return birthTime(d, name)
}
