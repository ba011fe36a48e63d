package materialize

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sort"
	"time"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// UndoOptions of Undo.
type UndoOptions struct {
	Dir      string // where the run's mirror is now; "": where it was last seen
	Reporter Reporter
	Now      func() time.Time
	wrap     func(disk) disk
}

// UndoResult is what an undo did.
type UndoResult struct {
	Run    int64 // 0: there was nothing to take back
	Done   int   // paths
	Failed []PathError
}

// Undo takes a run back: both sides and what they had agreed on become what they
// were before it. A path at which anything has changed since is left as it is
// and is among the failed. Undo is a run itself and can be undone.
//
// Afterwards the sides differ again where they did before the run. So that the
// next sync does not just repeat it, those paths are remembered as being apart:
// a sync leaves them alone until one of the sides changes.
func Undo(ctx context.Context, store *spacedb.Store, run int64, o UndoOptions) (UndoResult, error) {
	if o.Reporter == nil {
		o.Reporter = silent{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	start := o.Now()
	u := &undoer{store: store, options: o}
	err := u.undo(ctx, run)
	conclude(o.Reporter, Event{
		Kind: "undo", Run: u.result.Run, Directory: u.dir, Outcome: outcomeOf(err, len(u.result.Failed), 0),
		Counts: map[string]int64{"undone": int64(u.result.Done), "failed": int64(len(u.result.Failed))}, Millis: o.Now().Sub(start).Milliseconds(),
	}, err, u.result.Failed, nil)
	return u.result, err
}

type undoer struct {
	store   *spacedb.Store
	options UndoOptions
	result  UndoResult
	of      spacedb.Run
	dir     string     // the mirror; "": the run had none
	mirror  *mirrorDir // nil: the run had none
	scanner *mirrorScanner
	view    *spacedb.Snapshot
	base    *baseline
	apart   map[string]spacedb.Apart // before
	plan    conflict.Plan
	space   map[string]spacedb.Item
	seen    map[string]observation
	divided map[string]spacedb.Apart // after
	rebased []spacedb.BaseEntry      // the bases of those
	unbased []string
	joined  []string // apart before, and not after
}

func (u *undoer) undo(ctx context.Context, run int64) error {
	of, actions, err := u.store.RunActions(run)
	if err != nil {
		return fmt.Errorf("run %d: %w", run, err)
	}
	if of.Kind == "export" {
		return fmt.Errorf("run %d is an export: it changed neither the space nor a mirror", run)
	}
	u.of = of
	if err := u.openMirror(); err != nil {
		return err
	}
	if u.mirror != nil {
		defer u.mirror.root.Close()
	}
	if err := u.look(ctx); err != nil {
		return err
	}
	defer u.view.Close()
	for _, t := range turnsOf(actions) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := u.consider(t); err != nil {
			if fatal(err) {
				return err
			}
			u.result.Failed = append(u.result.Failed, PathError{t.path, cause(err)})
		}
	}
	u.plan.Sort()
	return u.execute(ctx)
}

// openMirror opens the run's mirror, if it had one.
func (u *undoer) openMirror() error {
	if u.of.Mirror == 0 {
		return nil
	}
	mirrors, err := u.store.Mirrors()
	if err != nil {
		return err
	}
	dir := u.options.Dir
	for _, m := range mirrors {
		if m.ID == u.of.Mirror && dir == "" {
			dir = m.Path
		}
	}
	if u.dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(u.dir); err == nil {
		u.dir = real
	}
	if u.mirror, err = openMirror(u.store, u.dir); err != nil {
		return err
	}
	if u.mirror.known.ID != u.of.Mirror {
		u.mirror.root.Close()
		return stopped("%s is not the mirror of run %d", u.dir, u.of.ID)
	}
	return nil
}

func (u *undoer) look(ctx context.Context) (err error) {
	if err := u.store.Seal(ctx); err != nil {
		return err
	}
	if u.view, err = u.store.Snapshot(ctx); err != nil {
		return err
	}
	u.space, u.seen = map[string]spacedb.Item{}, map[string]observation{}
	u.apart, u.divided = map[string]spacedb.Apart{}, map[string]spacedb.Apart{}
	if u.mirror == nil {
		return nil
	}
	list, err := u.view.Apart(u.mirror.known.ID)
	for _, a := range list {
		u.apart[a.Path] = a
	}
	if err == nil {
		u.base, err = openBaseline(u.view, u.mirror.known.ID)
	}
	u.scanner = &mirrorScanner{ctx: ctx, root: u.mirror.root, now: u.options.Now, out: &mirrorScan{}}
	return err
}

// turn is what a run did at one path, in sum.
type turn struct {
	path  string
	sides [2]*change // by conflict.Side; nil: it did nothing there
	base  spacedb.State
	whole bool // nothing failed there
}

type change struct{ before, after spacedb.State }

// turnsOf sums up, path by path and sorted.
func turnsOf(actions []spacedb.ActionRecord) []*turn {
	at := map[string]*turn{}
	var paths []string
	for _, a := range actions {
		t := at[a.Path]
		if t == nil {
			t = &turn{path: a.Path, base: a.Base, whole: true}
			at[a.Path] = t
			paths = append(paths, a.Path)
		}
		side := conflict.Space
		if a.Side == conflict.Mirror.String() {
			side = conflict.Mirror
		}
		switch c := t.sides[side]; {
		case a.Error != "":
			t.whole = false
		case a.Op == conflict.Adopt.String():
		case c == nil:
			t.sides[side] = &change{a.Before, a.After}
		default:
			c.after = a.After
		}
	}
	sort.Strings(paths)
	turns := make([]*turn, 0, len(paths))
	for _, p := range paths {
		if t := at[p]; t.sides[conflict.Space] != nil || t.sides[conflict.Mirror] != nil {
			turns = append(turns, t)
		}
	}
	return turns
}

// consider plans how a path becomes what it was, or says why not.
func (u *undoer) consider(t *turn) error {
	now, err := u.now(t.path)
	if err != nil {
		return err
	}
	if t.done(now) {
		return nil
	}
	was := now
	for side, c := range t.sides {
		switch side := conflict.Side(side); {
		case c == nil && u.mirror == nil && side == conflict.Mirror:
		case c == nil:
			if t.whole && !now[side].Same(u.untouched(t, side)) {
				return changedSince(side)
			}
		case now[side].Same(entryOf(c.after)), now[side].Kind == conflict.Absent && u.halfDone(t, side):
			was[side] = entryOf(c.before)
		case !now[side].Same(entryOf(c.before)): // else it is what it was already
			return changedSince(side)
		}
	}
	return u.turnBack(t, now, was)
}

// halfDone says whether an undo that did not end was about to put back what was
// there, and had only removed what was in its way.
func (u *undoer) halfDone(t *turn, side conflict.Side) bool {
	a, ok := u.apart[t.path]
	goal := [...]spacedb.State{a.Space, a.Mirror}[side]
	return ok && !goal.Absent() && entryOf(goal).Same(entryOf(t.sides[side].before))
}

// done says whether a path is already what it was before the run.
func (t *turn) done(now [2]conflict.Entry) bool {
	for side, c := range t.sides {
		if c != nil && !now[side].Same(entryOf(c.before)) {
			return false
		}
	}
	return true
}

// untouched is what the side held, and must still hold, at which the run did
// nothing: both agreed afterwards, or were left apart.
func (u *undoer) untouched(t *turn, side conflict.Side) conflict.Entry {
	if a, ok := u.apart[t.path]; ok && a.Run == u.of.ID {
		return [...]conflict.Entry{entryOf(a.Space), entryOf(a.Mirror)}[side]
	}
	return entryOf(t.sides[1-side].after)
}

func changedSince(side conflict.Side) error {
	return fmt.Errorf("it changed in the %s since the run; it is left as it is", side)
}

// now is what both sides hold at a path, by conflict.Side.
func (u *undoer) now(p string) (now [2]conflict.Entry, err error) {
	it, err := u.view.Item(p)
	switch {
	case errors.Is(err, spacedb.ErrNotFound), errors.Is(err, spacedb.ErrNotDir):
	case err != nil:
		return now, err
	case it.Attr.IsRegular() && !it.Sealed:
		return now, changedSince(conflict.Space)
	default:
		u.space[p] = it
		now[conflict.Space] = itemEntry(it)
	}
	if u.mirror == nil {
		return now, nil
	}
	b, known, err := u.base.at(p)
	if err != nil {
		return now, err
	}
	info, err := u.mirror.root.Lstat(p)
	if isGone(err) {
		return now, nil
	}
	if err != nil {
		return now, err
	}
	o, err := u.scanner.observe(p, stampOf(info), b, known)
	if err == nil {
		u.seen[p], now[conflict.Mirror] = o, o.Entry
	}
	return now, err
}

// turnBack adds to the plan what makes both sides hold what they held.
func (u *undoer) turnBack(t *turn, now, was [2]conflict.Entry) error {
	var steps []conflict.Action
	for side := range now {
		side := conflict.Side(side)
		if now[side].Same(was[side]) {
			continue
		}
		if was[side].Kind == conflict.File && was[side].Hash != now[side].Hash {
			if _, err := u.view.OpenHash(spacedb.Hash(was[side].Hash)); err != nil {
				return fmt.Errorf("what the %s held before the run: %w", side, err)
			}
		}
		a := conflict.Action{
			Path: t.path, Side: side, Expect: now[side], Source: now[1-side], Want: was[side], Content: conflict.History, Reason: fmt.Sprintf("undo of run %d", u.of.ID),
		}
		if u.mirror != nil {
			if b, known, err := u.base.at(t.path); err != nil {
				return err
			} else if known {
				a.Base = baseEntry(b)
			}
		}
		steps = append(steps, a.Steps()...)
	}
	u.plan.Actions = append(u.plan.Actions, steps...)
	switch {
	case u.mirror == nil:
	case !was[conflict.Space].Same(was[conflict.Mirror]):
		u.divide(t, was)
	default:
		u.joined = append(u.joined, t.path)
	}
	return nil
}

// divide has a path be apart: its base becomes what it was.
func (u *undoer) divide(t *turn, was [2]conflict.Entry) {
	u.divided[t.path] = spacedb.Apart{Path: t.path, Space: stateOf(was[conflict.Space]), Mirror: stateOf(was[conflict.Mirror])}
	if t.base.Absent() {
		u.unbased = append(u.unbased, t.path)
		return
	}
	b := spacedb.BaseEntry{Path: t.path, Mode: t.base.Mode, SHA256: t.base.SHA256, Target: t.base.Target}
	if had := u.base.entries[t.path]; had.Mode == b.Mode { // how this filesystem shows that mode
		b.MirrorMode = had.MirrorMode
	}
	u.rebased = append(u.rebased, b)
}

func (u *undoer) execute(ctx context.Context) error {
	if len(u.plan.Actions) == 0 {
		return nil
	}
	if u.mirror != nil {
		if err := u.mirror.checkWritable(u.plan); err != nil {
			return err
		}
	}
	run, err := u.store.BeginRun("undo", u.of.Mirror)
	if err != nil {
		return err
	}
	u.result.Run = run.ID
	u.options.Reporter.Tell(Event{Event: Started, Kind: "undo", Run: run.ID, Space: u.store.File(), Directory: u.dir, Total: len(u.plan.Actions)})
	x := u.executor(ctx, run)
	if err = u.settle(run); err == nil {
		err = x.execute(u.plan)
	}
	u.result.Failed = append(u.result.Failed, x.failed.list...)
	done := map[string]bool{}
	for _, a := range x.did {
		done[a.Path] = true
	}
	u.result.Done = len(done)
	if err == nil && u.mirror != nil {
		err = u.store.SetApart(u.mirror.known.ID, nil, u.joined)
	}
	detail := fmt.Sprintf("of run %d: %d paths taken back, %d left as they are", u.of.ID, u.result.Done, len(u.result.Failed))
	if err != nil {
		detail = err.Error()
	}
	return errors.Join(err, u.store.FinishRun(run.ID, outcomeOf(err, len(u.result.Failed), 0), detail, x.record.waiting), u.store.Sync())
}

// settle says which paths will be apart before anything is done. Killed
// before a path is turned back, its sides agree and the next sync adopts them;
// killed after it, the next sync leaves them apart.
func (u *undoer) settle(run spacedb.Run) error {
	if u.mirror == nil {
		return nil
	}
	var set []spacedb.Apart
	for p, a := range u.divided {
		a.Run = run.ID
		u.divided[p] = a
		set = append(set, a)
	}
	id := u.mirror.known.ID
	return errors.Join(u.store.SetApart(id, set, nil), u.store.AdvanceBase(id, u.rebased, u.unbased), u.store.Sync())
}

func (u *undoer) executor(ctx context.Context, run spacedb.Run) *executor {
	x := &executor{
		ctx: ctx, mirror: u.mirror, snapshot: u.view, run: run.ID,
		tree:  u.store.Tree(spacedb.Actor{Origin: spacedb.OriginUndo, Run: run.ID}),
		space: u.space, seen: u.seen, report: u.options.Reporter, phase: "undo", now: u.options.Now,
		record: &recorder{store: u.store, run: run.ID}, apart: u.divided, reach: &reach{},
		dirs: map[string]struct{}{}, placed: map[string]spacedb.Attr{}, written: map[string]stamp{},
	}
	if u.mirror == nil {
		return x
	}
	x.base, x.reach.root = u.base.entries, u.mirror.root
	x.disk = newDisk(u.mirror.root, x.reach)
	if u.options.wrap != nil {
		x.disk = u.options.wrap(x.disk)
	}
	return x
}
