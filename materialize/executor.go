package materialize

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
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
	member              // what it does to the mirror itself
	crew     *crew      // what others do at the same time
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
	toMove   int               // of them, not made yet
	noMoves  bool              // found out: they cannot be made
	fold     func(string) string
	// attributes: extended ones are synced; refused are those that the mirror's
	// filesystem does not take.
	attributes bool
	refused    []PathError
	// apart are paths on which the sides will not agree: their base stays.
	apart map[string]spacedb.Apart

	ahead     *readAheadOf // nil: the next actions need the snapshot themselves
	aheadNext int          // the action before which to look for a stretch
	durable   *writeback   // of the mirror
	fresh     map[string]*freshDir
	staged    []*stagedFile
	bytes     int64
	dirs      map[string]struct{} // whose entries changed since the last barrier
	done      []*conflict.Action  // since the last barrier
	booking   chan error          // of the batches before; nil: the store knows of all
	placed    map[string]spacedb.Attr
	renamed   map[string]renaming // since the last barrier, by where it went
	written   map[string]*stagedFile
	failed    failures
	left      []conflict.Left
	record    *recorder
	did       []*conflict.Action // in all
	narrow    []conflict.Action  // directories whose mode would keep us out: set at the end
	counter   int
}

// stagedPrefix begins the names of files and directories on their way; they are
// junk to everybody.
const stagedPrefix = ".spacefs-tmp-"

var stagedName = regexp.MustCompile("^" + regexp.QuoteMeta(stagedPrefix) + "[0-9]+-[0-9]+$")

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
	x.dirs, x.placed, x.renamed = map[string]struct{}{}, map[string]spacedb.Attr{}, map[string]renaming{}
	x.fresh, x.written = map[string]*freshDir{}, map[string]*stagedFile{}
	x.moves = movesOf(plan)
	x.toMove = len(x.moves)
	x.did = make([]*conflict.Action, 0, len(plan.Actions))
	x.done = make([]*conflict.Action, 0, min(len(plan.Actions), batchFiles))
	if err := x.keepLosers(plan.Actions); err != nil {
		return err
	}
	defer x.letGo()
	if err := errors.Join(x.doAll(plan.Actions), x.booked()); err != nil {
		return err
	}
	return x.narrowDown()
}

func (x *executor) doAll(actions []conflict.Action) error {
	defer x.crew.end()
	defer x.stopAhead()
	for i := range actions {
		a := &actions[i]
		if err := x.ctx.Err(); err != nil {
			return errors.Join(err, x.barrier())
		}
		x.goAhead(actions, i)
		if x.failed.cover(a.Path) {
			continue // what is above it, or its own removal, did not happen
		}
		x.report.Step()
		x.note(a, x.act(a))
		if i+1 < len(actions) && actions[i+1].Path == a.Path {
			continue // the base moves once both sides have what was merged
		}
		if len(x.staged) >= batchFiles || x.bytes >= batchBytes || len(x.done) >= batchFiles {
			if err := x.barrier(); err != nil {
				return err
			}
		}
	}
	return x.barrier()
}

// letGo closes what was opened on the way.
func (x *executor) letGo() {
	x.reach.letGo()
	if x.durable != nil {
		x.durable.close()
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
		a := &x.narrow[i]
		if x.failed.cover(a.Path) {
			continue
		}
		if err := x.disk.chmod(a.Path, a.Want.Mode); err != nil {
			x.note(a, err)
		} else if x.agreed(a) {
			set = append(set, x.baseAfter(a, x.lookAt(x.member, a.Path)))
		}
	}
	if x.mirror == nil {
		return nil
	}
	return x.tree.Store().AdvanceBase(x.mirror.known.ID, set, nil)
}

// ownerAll is what a directory's mode must have for us to work in it; ownerReads
// what a file's must have to be opened.
const (
	ownerAll   = 0o700
	ownerReads = 0o400
)

// note records how an action went; staged writes are noted when they are done.
func (x *executor) note(a *conflict.Action, err error) {
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

// act does an action; it may come to want less, see refuse.
func (x *executor) act(a *conflict.Action) error {
	switch {
	case a.Op == conflict.Adopt:
		return nil
	case a.Op == conflict.Move:
		return x.move(*a)
	case a.Side == conflict.Space:
		return x.actOnSpace(*a)
	}
	return x.actOnMirror(a)
}

func (x *executor) actOnMirror(a *conflict.Action) error {
	// Where nothing is, making a directory or renaming something there fails if
	// that is not so.
	if a.Expect.Kind != conflict.Absent {
		if err := x.expected(*a); err != nil {
			return err
		}
	}
	dir, _ := path.Split(a.Path)
	x.dirs[strings.TrimSuffix(dir, "/")] = struct{}{}
	switch a.Op {
	case conflict.Remove:
		return x.disk.remove(a.Path)
	case conflict.Mkdir:
		return x.mkdir(a)
	case conflict.Chmod:
		if err := x.attributeMirror(a); err != nil {
			return err
		}
		return x.disk.chmod(a.Path, a.Want.Mode)
	case conflict.Metadata:
		return x.attributeMirror(a)
	case conflict.Link:
		return x.link(a)
	}
	return x.stage(a)
}

func (x *executor) link(a *conflict.Action) error {
	f, temp := x.tempFor(a.Path)
	err := x.disk.symlink(a.Want.Target, temp)
	if f != nil {
		return err
	}
	if err == nil && a.Expect.Kind != conflict.Absent {
		err = x.expected(*a)
	}
	if err == nil {
		err = x.rename(x.disk, temp, a)
	}
	if err != nil {
		_ = x.mirror.root.Remove(temp)
	}
	return err
}

// tempFor is where what shall be at a path is made: beside it, or in its fresh
// directory, with which it comes to its place.
func (x *executor) tempFor(p string) (f *freshDir, temp string) {
	if f, temp = x.within(p); f == nil {
		temp = x.beside(p)
	}
	return f, temp
}

// beside is a staged name in the directory of a path.
func (x *executor) beside(p string) string {
	dir, _ := path.Split(p)
	x.counter++
	return fmt.Sprintf("%s%s%d-%d", dir, stagedPrefix, x.run, x.counter)
}

func (s *syncer) executor(ctx context.Context, v *view) *executor {
	x := &executor{
		ctx: ctx, mirror: s.mirror, snapshot: v.snapshot, run: s.run.ID,
		tree: s.store.Tree(spacedb.Actor{Origin: spacedb.OriginSync, Run: s.run.ID}),
		base: v.base, space: v.space.changed, seen: v.mirror.changed, touched: v.mirror.touched, report: s.options.Reporter, phase: s.kind(), now: s.options.Now, record: &s.record,
		merger: v.merger, fold: s.foldOf(), attributes: s.attributes,
	}
	x.equip(s.options.wrap)
	return x
}

// equip gives it what works on the mirror.
func (x *executor) equip(wrap func(disk) disk) {
	x.durable = &writeback{root: x.mirror.root}
	x.crew = newCrew(x.mirror.root, x.durable, wrap)
	x.member = x.crew.own
}
