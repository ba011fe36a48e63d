package materialize

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"time"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// executor does what a plan says. Every action looks first: what is not as the
// plan saw it is left for the next run. A path that fails keeps its base; the
// others go on.
//
// For a file of the mirror the order is: what is lost is durable in history;
// the new content is staged beside the target and durable; it is renamed into
// place; the rename is durable; then the base moves to what was observed. Killed
// anywhere, the next run finds either the old state or the new one.
type executor struct {
	ctx      context.Context
	mirror   *mirrorDir // nil: the run is about the space alone
	disk     disk
	reach    *reach // of the mirror; the disk's too
	tree     *spacedb.Tree
	snapshot *spacedb.Snapshot
	base     map[string]spacedb.BaseEntry
	space    map[string]spacedb.Item
	seen     map[string]observation // what differs from the base
	touched  map[string]observation // what only looks different
	report   Reporter
	phase    string // as the reporter is told
	now      func() time.Time
	run      int64
	merger   *merger
	kept     *spacedb.Snapshot // opened when history is asked
	moves    []conflict.Action // of the plan, in order
	noMoves  bool              // found out: they cannot be made
	fold     func(string) string
	// apart are paths on which the sides will not agree: their base stays.
	apart map[string]spacedb.Apart

	ahead     *readAheadOf // nil: the next actions need the snapshot themselves
	aheadNext int          // the action before which to look for a stretch
	staged    []stagedFile
	bytes     int64
	dirs      map[string]struct{} // whose entries changed since the last barrier
	done      []conflict.Action   // since the last barrier
	placed    map[string]spacedb.Attr
	renamed   map[string]renaming // since the last barrier, by where it went
	written   map[string]stamp    // of files that were staged: how they look
	failed    failures
	left      []conflict.Left
	record    *recorder
	did       []conflict.Action // in all
	narrow    []conflict.Action // directories whose mode would keep us out: set at the end
	counter   int
}

type stagedFile struct {
	action conflict.Action
	temp   string
}

// stagedPrefix begins the names of files on their way; they are junk to
// everybody.
const stagedPrefix = ".spacefs-tmp-"

// A batch is made durable at once: a few files one by one, more with one sync
// of the filesystem. What a batch costs besides its files is two such syncs, each
// as long as the disk takes to come to rest; what is lost with one that is killed
// is work, and nothing else.
const (
	batchFiles = 16 << 10
	batchBytes = 128 << 20
	fewFiles   = 16
)

var errChanged = errors.New("it changed since it was looked at; the next sync looks again")

func (x *executor) execute(plan conflict.Plan) error {
	x.report.Tell(Event{Event: Progress, Phase: x.phase, Total: len(plan.Actions)})
	x.moves, x.renamed = movesOf(plan), map[string]renaming{}
	x.did = make([]conflict.Action, 0, len(plan.Actions))
	x.done = make([]conflict.Action, 0, min(len(plan.Actions), batchFiles))
	if err := x.keepLosers(plan.Actions); err != nil {
		return err
	}
	defer x.letGo()
	defer x.stopAhead()
	for i, a := range plan.Actions {
		if err := x.ctx.Err(); err != nil {
			return errors.Join(err, x.barrier())
		}
		x.goAhead(plan.Actions, i)
		if x.failed.cover(a.Path) {
			continue // what is above it, or its own removal, did not happen
		}
		x.report.Step()
		x.note(a, x.act(a))
		if i+1 < len(plan.Actions) && plan.Actions[i+1].Path == a.Path {
			continue // the base moves once both sides have what was merged
		}
		if len(x.staged) >= batchFiles || x.bytes >= batchBytes || len(x.done) >= batchFiles {
			if err := x.barrier(); err != nil {
				return err
			}
		}
	}
	if err := x.barrier(); err != nil {
		return err
	}
	return x.narrowDown()
}

// letGo closes what was opened on the way.
func (x *executor) letGo() {
	if x.disk != nil {
		x.disk.close()
	}
	if x.kept != nil {
		x.kept.Close()
	}
}

// narrowDown gives directories the modes that would have kept us out, children
// first. Until then their base says that they are wide, so that the next sync
// goes on if this one does not come so far.
func (x *executor) narrowDown() error {
	var set []spacedb.BaseEntry
	for i := len(x.narrow) - 1; i >= 0; i-- {
		a := x.narrow[i]
		if x.failed.cover(a.Path) {
			continue
		}
		if err := x.disk.chmod(a.Path, a.Want.Mode); err != nil {
			x.note(a, err)
		} else if x.agreed(a) {
			set = append(set, x.baseAfter(a))
		}
	}
	if x.mirror == nil {
		return nil
	}
	return x.tree.Store().AdvanceBase(x.mirror.known.ID, set, nil)
}

// ownerAll is what a directory's mode must have for us to work in it.
const ownerAll = 0o700

// note records how an action went; staged writes are noted when they are done.
func (x *executor) note(a conflict.Action, err error) {
	if err == nil {
		if a.Op != conflict.Write || a.Side != conflict.Mirror {
			x.done = append(x.done, a)
		}
		return
	}
	if errors.Is(err, spacedb.ErrChanged) {
		err = errChanged
	}
	if a.Op == conflict.Remove && (errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, spacedb.ErrNotEmpty)) {
		x.left = append(x.left, conflict.Left{Path: a.Path, Reason: "not removed: it holds what no sync touches, or something new"})
		return
	}
	why := cause(err)
	if a.Side == conflict.Mirror && (errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EILSEQ) || errors.Is(err, syscall.ENAMETOOLONG)) {
		why = "the mirror's filesystem has no such names: " + why
	}
	x.failed.add(a.Path, why)
	x.record.add(a, why)
}

// keepLosers puts into history, durably, every content of the mirror that the
// plan overwrites or removes and that history does not have.
func (x *executor) keepLosers(actions []conflict.Action) error {
	for _, a := range actions {
		if a.Side != conflict.Mirror || a.Expect.Kind == conflict.Absent || a.Expect.Kind == conflict.Directory ||
			a.Op == conflict.Adopt || a.Op == conflict.Chmod || a.Op == conflict.Mkdir || a.Op == conflict.Move {
			continue
		}
		if err := x.keep(a); err != nil {
			x.note(a, err)
		}
	}
	return x.tree.Store().Sync()
}

func (x *executor) keep(a conflict.Action) error {
	sum := spacedb.Hash(a.Expect.Hash)
	if a.Expect.Kind == conflict.Symlink {
		sum = sha256.Sum256([]byte(a.Expect.Target))
	}
	if have, err := x.tree.Store().HasContent(sum); err != nil || have && !a.Conflict {
		return err
	}
	inSpace := x.before(conflict.Space, a.Path)
	if a.Expect.Kind == conflict.Symlink {
		_, err := x.tree.Keep(inSpace, spacedb.TypeSymlink|0o777, a.Expect.Mtime, strings.NewReader(a.Expect.Target))
		return err
	}
	f, err := openFile(x.mirror.root, x.before(conflict.Mirror, a.Path))
	if err != nil {
		return err
	}
	defer f.Close()
	kept, err := x.tree.Keep(inSpace, spacedb.TypeRegular|a.Expect.Mode, a.Expect.Mtime, f)
	if err == nil && kept.SHA256 != sum {
		err = errChanged // what is there now is kept too; it is not lost either
	}
	return err
}

func (x *executor) act(a conflict.Action) error {
	switch {
	case a.Op == conflict.Adopt:
		return nil
	case a.Op == conflict.Move:
		return x.move(a)
	case a.Side == conflict.Space:
		return x.actOnSpace(a)
	}
	// What comes to where nothing is, is renamed there, and that looks itself.
	if comes := a.Op == conflict.Write || a.Op == conflict.Link; !comes || a.Expect.Kind != conflict.Absent {
		if err := x.expected(a); err != nil {
			return err
		}
	}
	dir, name := path.Split(a.Path)
	x.dirs[strings.TrimSuffix(dir, "/")] = struct{}{}
	switch a.Op {
	case conflict.Remove:
		return x.disk.remove(a.Path)
	case conflict.Mkdir:
		if a.Want.Mode&ownerAll != ownerAll {
			x.narrow = append(x.narrow, a)
		}
		return x.disk.mkdir(a.Path, a.Want.Mode|ownerAll)
	case conflict.Chmod:
		return x.disk.chmod(a.Path, a.Want.Mode)
	case conflict.Link:
		temp := dir + x.tempName()
		if err := x.disk.symlink(a.Want.Target, temp); err != nil {
			return err
		}
		return x.rename(temp, dir, name, a)
	}
	return x.stage(a, dir)
}

func (x *executor) tempName() string {
	x.counter++
	return fmt.Sprintf("%s%d-%d", stagedPrefix, x.run, x.counter)
}

// expected looks whether the mirror still holds what the plan saw.
func (x *executor) expected(a conflict.Action) error {
	now, err := x.reach.look(a.Path)
	if errors.Is(err, fs.ErrNotExist) {
		if a.Expect.Kind == conflict.Absent {
			return nil
		}
		return errChanged
	}
	if err != nil {
		return err
	}
	if a.Expect.Kind == conflict.Absent {
		return errChanged
	}
	was := x.lastSeen(a.Path)
	if a.Expect.Kind == conflict.Directory {
		if !now.isDir() {
			return errChanged
		}
		return nil
	}
	if a.Expect.Kind == conflict.Symlink { // what it says is all there is to it
		target, err := x.mirror.root.Readlink(a.Path)
		if err == nil && target != a.Expect.Target || errors.Is(err, syscall.EINVAL) {
			err = errChanged
		}
		return err
	}
	if was.ctime == 0 { // too fresh to be trusted: only its content tells
		was.ctime = now.ctime
		if err := x.sameContent(a); err != nil {
			return err
		}
	}
	if now != was {
		return errChanged
	}
	return nil
}

func (x *executor) sameContent(a conflict.Action) error {
	f, err := openFile(x.mirror.root, a.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	before, sum, after, err := hashFile(f, io.Discard)
	if err == nil && (before != after || sum != a.Expect.Hash) {
		err = errChanged
	}
	return err
}

// lastSeen is how a file looked when the mirror was scanned.
func (x *executor) lastSeen(p string) stamp {
	if o, ok := x.seen[p]; ok {
		return o.stat
	}
	if o, ok := x.touched[p]; ok {
		return o.stat
	}
	return baseStamp(x.base[p])
}

// stage writes the space's content beside its target.
func (x *executor) stage(a conflict.Action, dir string) error {
	content, mtime, done, err := x.spaceContent(a)
	if err != nil {
		return err
	}
	defer done()
	temp := dir + x.tempName()
	looks, err := x.disk.create(temp, content, a.Want.Mode, mtime)
	if err != nil {
		_ = x.mirror.root.Remove(temp)
		return err
	}
	x.staged = append(x.staged, stagedFile{a, temp})
	x.written[a.Path] = looks
	x.bytes += a.Want.Size
	return nil
}

// spaceContent opens the content a write brings to the mirror; done says that it
// was read.
func (x *executor) spaceContent(a conflict.Action) (content io.Reader, mtime int64, done func(), err error) {
	if x.ahead != nil {
		data, err := x.ahead.of(a.Path)
		if err != nil {
			return nil, 0, nil, err
		}
		return bytes.NewReader(*data), x.space[a.Path].Attr.Mtime, func() { x.ahead.done(data) }, nil
	}
	if a.Content == conflict.OtherSide {
		content, mtime, err = x.otherSide(a)
	} else {
		content, mtime, err = x.supply(a)
	}
	return content, mtime, func() {}, err
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

// rename puts what is staged in place of what the action expects.
func (x *executor) rename(temp, dir, name string, a conflict.Action) error {
	absent := a.Expect.Kind == conflict.Absent
	var err error
	if !absent {
		err = x.expected(a)
	}
	if err == nil {
		err = x.disk.rename(dir, path.Base(temp), name, absent)
	}
	if err != nil {
		_ = x.mirror.root.Remove(temp)
	}
	if errors.Is(err, fs.ErrExist) {
		return errChanged
	}
	return err
}

// actOnSpace brings the mirror's state of a path into the space.
func (x *executor) actOnSpace(a conflict.Action) error {
	guard, err := x.guardOf(a)
	if err != nil {
		return err
	}
	var attr spacedb.Attr
	switch a.Op {
	case conflict.Remove:
		return x.tree.RemoveAt(a.Path, guard)
	case conflict.Mkdir:
		attr, err = x.tree.PlaceDir(a.Path, guard, a.Want.Mode, a.Want.Mtime)
	case conflict.Link:
		attr, err = x.tree.PlaceSymlink(a.Path, guard, a.Want.Target, a.Want.Mtime)
	case conflict.Chmod:
		mode := a.Want.Mode
		attr, err = x.tree.ChangeAt(a.Path, guard, spacedb.AttrChange{Mode: &mode})
	case conflict.Write:
		if a.Content != conflict.OtherSide {
			attr, err = x.bringSupplied(a, guard)
		} else {
			attr, err = x.bring(a, guard)
		}
	}
	if err == nil {
		x.placed[a.Path] = attr
	}
	return err
}

// guardOf is the space's node that the plan saw at a path.
func (x *executor) guardOf(a conflict.Action) (spacedb.Guard, error) {
	if a.Expect.Kind == conflict.Absent {
		return spacedb.Guard{Absent: true}, nil
	}
	if it, ok := x.space[a.Path]; ok {
		return spacedb.GuardOf(it.Attr), nil
	}
	it, err := x.snapshot.Item(x.before(conflict.Space, a.Path))
	return spacedb.GuardOf(it.Attr), err
}

// bring reads a mirror's file into the space; it must be the one that was scanned.
func (x *executor) bring(a conflict.Action, guard spacedb.Guard) (spacedb.Attr, error) {
	f, err := openFile(x.mirror.root, a.Path)
	if err != nil {
		return spacedb.Attr{}, err
	}
	defer f.Close()
	staged := x.tree.Stage()
	defer staged.Discard()
	before, sum, after, err := hashFile(f, staged)
	if err != nil {
		return spacedb.Attr{}, err
	}
	if before != after || sum != a.Want.Hash {
		return spacedb.Attr{}, errMoved
	}
	return x.tree.Place(a.Path, guard, staged, a.Want.Mode, after.mtime)
}
