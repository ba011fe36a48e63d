package materialize

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// SyncOptions of Sync; the zero value is a two-way sync.
type SyncOptions struct {
	conflict.Rules
	DryRun        bool // plan, and change nothing anywhere
	AcceptDeletes bool // the deletion guards are answered
	MaxDelete     Limit
	Reporter      Reporter
	Now           func() time.Time
	wrap          func(disk) disk     // tests put faults between
	fold          func(string) string // tests say what a filesystem would
	only          selection           // nil: whatever there is to do
	given         *Resolution         // of a conflict, by a person

	// Of a live mirror.
	focus *focus                             // nil: on everything
	seal  func(context.Context) error        // nil: what is not at rest, too
	enter func(path string, d directory)     // told of each directory that is listed
	guard func(space, mirror int) (int, int) // deletions that count besides the plan's
}

// SyncResult is what a sync did, or with DryRun would do.
type SyncResult struct {
	Mirror     string
	Run        int64 // 0: nothing was done, or a dry run
	Plan       conflict.Plan
	Done       int
	Failed     []PathError
	Unresolved []conflict.Conflict
	Notices    []string
	Scanned    int    // entries of the mirror
	mirrorUUID string // "": the space did not know it
	Duration   time.Duration

	leftover leftover
}

// Contested counts the conflicts that are left to a person; what was skipped is
// not.
func (r *SyncResult) Contested() (n int) {
	for _, c := range r.Plan.Conflicts {
		if c.Winner == conflict.NoWinner && c.Strategy != conflict.Skip {
			n++
		}
	}
	return n
}

// counts sums a sync up, or what a dry run found.
func (r *SyncResult) counts() map[string]int64 {
	failed := map[string]bool{}
	for _, f := range r.Failed {
		failed[f.Path] = true
	}
	n := map[string]int64{
		"to_space": 0, "to_mirror": 0, "adopted": 0, "conflicts": int64(len(r.Plan.Conflicts)), "unresolved": int64(r.Contested()),
		"left": int64(len(r.Plan.Left)), "failed": int64(len(r.Failed)), "scanned": int64(r.Scanned),
	}
	for _, a := range r.Plan.Actions {
		switch {
		case failed[a.Path]:
		case a.Op == conflict.Adopt:
			n["adopted"]++
		default:
			n["to_"+a.Side.String()]++
		}
	}
	return n
}

// rounds is how often a sync looks again when things changed under its hands.
const rounds = 3

// Sync brings the space and the directory dir into agreement. A *GuardError
// means that nothing was done. Paths that failed are in the result, not in the
// error; they keep their base, and the next sync tries them again.
func Sync(ctx context.Context, store *spacedb.Store, dir string, o SyncOptions) (SyncResult, error) {
	if o.Reporter == nil {
		o.Reporter = silent{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	start := o.Now()
	dir, err := filepath.Abs(dir)
	if err != nil {
		return SyncResult{}, err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	s := &syncer{store: store, options: o, result: &SyncResult{Mirror: dir}}
	err = s.sync(ctx)
	s.result.Duration = o.Now().Sub(start)
	s.conclude(err)
	return *s.result, err
}

func (s *syncer) sync(ctx context.Context) (err error) {
	if s.mirror, err = openMirror(s.store, s.result.Mirror); err != nil {
		return err
	}
	defer s.mirror.root.Close()
	s.result.mirrorUUID = s.mirror.known.UUID
	if s.options.only != nil {
		if err := s.options.only.check(s.mirror); err != nil {
			return err
		}
	}
	if !s.options.DryRun {
		if err := s.mirror.enroll(s.store); err != nil {
			return err
		}
	}
	for range rounds {
		again, err := s.round(ctx)
		if err != nil {
			return errors.Join(err, s.finish(err))
		}
		if !again {
			break
		}
	}
	return s.finish(nil)
}

// kind is what sort of run this is.
func (s *syncer) kind() string {
	if s.options.only != nil {
		return s.options.only.kind()
	}
	return "sync"
}

// start tells, once, that it is known what there is to do.
func (s *syncer) start(plan conflict.Plan) {
	if s.started {
		return
	}
	s.started = true
	s.options.Reporter.Tell(Event{
		Event: Started, Kind: s.kind(), Run: s.run.ID, Space: s.store.File(), Directory: s.result.Mirror, DryRun: s.options.DryRun, Total: len(plan.Actions),
	})
}

// conclude tells what only the end tells. What was done was told when it was.
func (s *syncer) conclude(err error) {
	report, plan := s.options.Reporter, s.result.Plan
	if s.started {
		for _, a := range plan.Actions {
			if s.options.DryRun && a.Op != conflict.Adopt {
				report.Tell(actionEvent(a))
			}
		}
		for _, l := range plan.Left {
			report.Tell(Event{Event: Acted, Path: l.Path, Op: "leave", Reason: l.Reason})
		}
		for _, c := range plan.Conflicts {
			report.Tell(conflictEvent(c))
		}
	}
	conclude(report, Event{
		Kind: s.kind(), Run: s.result.Run, Directory: s.result.Mirror, DryRun: s.options.DryRun,
		Outcome: outcomeOf(err, len(s.result.Failed), s.result.Contested()), Counts: s.result.counts(), Millis: s.result.Duration.Milliseconds(),
	}, err, s.result.Failed, s.result.Notices)
}

// syncer is one run.
type syncer struct {
	store      *spacedb.Store
	mirror     *mirrorDir
	options    SyncOptions
	result     *SyncResult
	run        spacedb.Run
	started    bool // told
	everything bool // is to be looked at in the next round
	noMoves    bool // they cannot be made in this mirror
	record     recorder
	did        []conflict.Action   // in the rounds so far
	ended      []conflict.Conflict // in the rounds so far, with a winner
}

// round is one look at both sides and what follows from it; again says that
// something changed meanwhile.
func (s *syncer) round(ctx context.Context) (again bool, err error) {
	v, err := s.look(ctx)
	if err != nil {
		return false, err
	}
	defer v.snapshot.Close()
	s.tell(v)
	if s.options.DryRun {
		if err := s.guardDeletions(v); err != nil { // to be looked at is what a dry run is for
			s.result.Notices = append(s.result.Notices, err.Error())
		}
		s.start(v.plan)
		return false, nil
	}
	if !s.options.AcceptDeletes {
		if err := s.guardDeletions(v); err != nil {
			return false, err
		}
	}
	if err := s.mirror.checkWritable(v.plan); err != nil {
		return false, err
	}
	if s.newsIn(v.plan) {
		if err := s.begin(); err != nil {
			return false, err
		}
	}
	s.start(v.plan)
	x := s.executor(ctx, v)
	err = x.execute(v.plan)
	s.noMoves = s.noMoves || x.noMoves
	s.did = append(s.did, x.did...)
	s.result.Done = len(s.did)
	s.result.Failed = append(s.result.Failed, x.failed.list...)
	v.plan.Left = append(v.plan.Left, x.left...)
	s.result.Plan.Left = append(s.result.Plan.Left, x.left...)
	if err != nil {
		return false, err
	}
	if err := s.store.SetApart(s.mirror.known.ID, nil, v.apart.stale); err != nil {
		return false, err
	}
	if err := s.refresh(v); err != nil {
		return false, err
	}
	if s.run.ID != 0 || s.options.focus == nil {
		if err := s.noteConflicts(v.plan, func(p string) bool { return v.mirror.failed.cover(p) || x.failed.cover(p) }); err != nil {
			return false, err
		}
	}
	if err := s.seen(v); err != nil || s.options.only != nil {
		return false, err
	}
	s.everything = s.decided(v.plan)
	return s.everything || onlyChanged(x.failed.list), nil
}

// decided says whether a plan brought patterns to a side: both have them now,
// and what they do not ignore any more has not been looked at.
func (s *syncer) decided(plan conflict.Plan) bool {
	for _, a := range plan.Actions {
		if isIgnoreFile(a.Path) {
			return true
		}
	}
	return false
}

// seen takes note of how far this round has brought both sides.
func (s *syncer) seen(v *view) (err error) {
	l := s.leftover(v, s.result.Failed)
	if s.run.ID != 0 {
		if l.seq, err = s.store.Seen(l.seq, s.run.ID); err != nil {
			return err
		}
	}
	if s.decided(v.plan) {
		l.again = append(l.again, IgnoreFile) // and with it everything
	}
	s.result.leftover = l
	known := s.mirror.known
	if len(l.again)+len(l.left) > 0 || s.options.focus != nil && (s.run.ID == 0 || known.Seq == 0) {
		return nil
	}
	s.mirror.known.Seq = l.seq
	return s.store.FinishSync(known.ID, known.Seq, l.seq)
}

// view is what both sides looked like at one moment, and what follows.
type view struct {
	base     map[string]spacedb.BaseEntry // of the paths that this is about
	snapshot *spacedb.Snapshot
	space    *spaceScan
	mirror   *mirrorScan
	merger   *merger
	plan     conflict.Plan
	apart    *apartPaths
	refused  []PathError // planned, and not to be done any more
	withheld []string    // is not in the plan and should be
}

func (s *syncer) look(ctx context.Context) (*view, error) {
	seal := s.options.seal
	if seal == nil {
		seal = s.store.Seal
	}
	if !s.options.DryRun {
		if err := seal(ctx); err != nil {
			return nil, err
		}
	}
	snapshot, err := s.store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	v := &view{snapshot: snapshot}
	if err := s.scan(ctx, v); err != nil {
		snapshot.Close()
		return nil, err
	}
	return v, nil
}

func (s *syncer) scan(ctx context.Context, v *view) error {
	if !s.options.AcceptDeletes {
		if err := s.mirror.checkNotEmptied(v.snapshot); err != nil {
			return err
		}
	}
	base, err := openBaseline(v.snapshot, s.mirror.known.ID)
	if err != nil {
		return err
	}
	apart, err := v.snapshot.Apart(s.mirror.known.ID)
	if err != nil {
		return err
	}
	var also []string
	for _, a := range apart {
		also = append(also, a.Path)
	}
	since, focus := s.mirror.known.Seq, s.options.focus
	if focus != nil {
		focus = focus.and(also)
		since, also = focus.since, focus.paths
	}
	if s.everything || focus != nil && focus.decides() {
		since, focus = 0, nil
	}
	if v.space, err = scanSpace(ctx, v.snapshot, since, also, base); err != nil {
		return fmt.Errorf("scan the space: %w", err)
	}
	if v.space.decides {
		focus = nil
	}
	alone, err := openIgnoring(v.snapshot, s.mirror.root)
	if err != nil {
		return err
	}
	s.options.Reporter.Tell(Event{Event: Progress, Phase: "scan"})
	scanner := &mirrorScanner{
		ctx: ctx, root: s.mirror.root, base: base, junk: v.snapshot.Junk, alone: alone, now: s.options.Now, step: s.options.Reporter.Step, enter: s.options.enter,
	}
	if v.mirror, err = scanner.scan(focus, v.space); err != nil {
		return fmt.Errorf("scan the mirror %s: %w", s.mirror.path, err)
	}
	if err := alone.leaveAlone(v.snapshot.Junk, base, v.space.changed, v.mirror.changed); err != nil {
		return err
	}
	fold := s.foldOf()
	b, sp, mi, err := trees(base, v.space.changed, v.mirror.changed, s.mirror, fold)
	if err != nil {
		return err
	}
	v.base = base.entries
	var busy pathSet
	for _, p := range v.space.unsettled {
		busy.put(p)
	}
	v.apart = stillApart(apart, sp, mi, func(p string) bool { return v.mirror.failed.cover(p) || busy.cover(p) })
	v.merger = &merger{snapshot: v.snapshot, root: s.mirror.root, seen: v.mirror.changed, given: s.options.given}
	if s.mirror.lost && base.empty {
		if err := healBase(v.snapshot, b, sp, mi); err != nil {
			return err
		}
	}
	s.mistrustInodes(b, mi)
	rules := s.rules(v, base)
	rules.Fold = fold
	rules.Hold = func(p string) bool {
		return v.mirror.failed.touches(p) || busy.touches(p) || v.apart.touches(p)
	}
	plan := v.apart.leave(conflict.Reconcile(b, sp, mi, rules))
	v.plan, v.withheld = withhold(plan, &v.mirror.failed, &busy)
	v.withheld = append(v.withheld, v.space.unsettled...)
	if s.options.only != nil {
		var rest []string
		v.plan, rest, v.refused = s.options.only.keep(v.plan)
		v.withheld = append(v.withheld, rest...)
	}
	return nil
}

func (s *syncer) foldOf() func(string) string {
	if s.options.fold != nil {
		return s.options.fold
	}
	return s.mirror.foldOf()
}

// rules are the user's, with what a decision has to ask.
func (s *syncer) rules(v *view, base *baseline) conflict.Rules {
	r := s.options.Rules
	r.Merge = v.merger.merge
	r.Stamp = s.options.Now().Format(time.DateOnly)
	r.Taken = func(p string) bool {
		_, known, err := base.at(p)
		_, inSpace := v.snapshot.Item(p)
		_, inMirror := s.mirror.root.Lstat(p)
		return known || err != nil || inSpace == nil || inMirror == nil
	}
	r.NoMoves = s.noMoves
	return r
}

// tell puts into the result what is known now: what earlier rounds did stays.
func (s *syncer) tell(v *view) {
	s.result.Scanned = v.mirror.scanned
	s.result.Notices = append(v.space.notices, v.mirror.notices...)
	s.result.Failed = append(append([]PathError(nil), v.mirror.failed.list...), v.refused...)
	s.result.Plan = conflict.Plan{
		Actions:   append(append([]conflict.Action(nil), s.did...), v.plan.Actions...),
		Conflicts: append(append([]conflict.Conflict(nil), s.ended...), v.plan.Conflicts...),
		Left:      append(v.apart.lines(), v.plan.Left...),
	}
}

func (s *syncer) executor(ctx context.Context, v *view) *executor {
	x := &executor{
		ctx: ctx, mirror: s.mirror, snapshot: v.snapshot, run: s.run.ID,
		tree: s.store.Tree(spacedb.Actor{Origin: spacedb.OriginSync, Run: s.run.ID}),
		base: v.base, space: v.space.changed, seen: v.mirror.changed, touched: v.mirror.touched, report: s.options.Reporter, phase: s.kind(), now: s.options.Now, record: &s.record,
		merger: v.merger, fold: s.foldOf(),
		dirs: map[string]struct{}{}, placed: map[string]spacedb.Attr{}, written: map[string]stamp{},
	}
	x.reach = &reach{root: s.mirror.root}
	x.disk = newDisk(s.mirror.root, x.reach)
	if s.options.wrap != nil {
		x.disk = s.options.wrap(x.disk)
	}
	return x
}

// onlyChanged: when every failure is that something moved, it is worth looking
// again.
func onlyChanged(failed []PathError) bool {
	for _, f := range failed {
		if f.Cause != errChanged.Error() {
			return false
		}
	}
	return len(failed) > 0
}

// withhold takes out of a plan what concerns paths that could not be looked at,
// or that somebody is just writing.
func withhold(plan conflict.Plan, failed *failures, busy *pathSet) (_ conflict.Plan, withheld []string) {
	if len(failed.at)+len(busy.at) == 0 {
		return plan, nil
	}
	keep := plan.Actions[:0:0]
	for _, a := range plan.Actions {
		unknown := failed.cover(a.Path) || busy.cover(a.Path)
		if unknown || a.Op == conflict.Remove && (failed.below(a.Path) || busy.below(a.Path)) {
			withheld = append(withheld, a.Path)
			continue
		}
		keep = append(keep, a)
	}
	plan.Actions = keep
	return plan, withheld
}

func (s *syncer) guardDeletions(v *view) error {
	inSpace, inMirror := v.plan.Deletions()
	if s.options.guard != nil {
		inSpace, inMirror = s.options.guard(inSpace, inMirror)
	}
	if most := max(inSpace, inMirror); most == 0 || most < s.options.MaxDelete.orDefault().Count {
		return nil
	}
	_, files, err := v.snapshot.BaseCount(s.mirror.known.ID)
	if err != nil {
		return err
	}
	if err := s.options.MaxDelete.check(inSpace, files, "space"); err != nil {
		return err
	}
	return s.options.MaxDelete.check(inMirror, files, "mirror")
}

func (s *syncer) begin() error {
	if s.run.ID != 0 {
		return nil
	}
	run, err := s.store.BeginRun(s.kind(), s.mirror.known.ID)
	s.run, s.result.Run = run, run.ID
	s.record = recorder{store: s.store, run: run.ID}
	return err
}

// refresh remembers how files look that only were touched, so that they need
// not be read next time.
func (s *syncer) refresh(v *view) error {
	planned := map[string]bool{}
	for _, a := range v.plan.Actions {
		planned[a.Path] = true
	}
	var set []spacedb.BaseEntry
	for p, o := range v.mirror.touched {
		if planned[p] {
			continue
		}
		b := v.base[p]
		b.MirrorMode, b.MirrorSize, b.MirrorMtime, b.MirrorCtime, b.MirrorInode = o.stat.mode, o.stat.size, o.stat.mtime, o.stat.ctime, o.stat.inode
		set = append(set, b)
	}
	return s.store.AdvanceBase(s.mirror.known.ID, set, nil)
}

func (s *syncer) noteConflicts(plan conflict.Plan, failed func(path string) bool) error {
	s.result.Unresolved = nil
	var found []spacedb.ConflictRecord
	for _, c := range plan.Conflicts {
		winner := c.Winner.String()
		if c.Winner == conflict.NoWinner {
			s.result.Unresolved = append(s.result.Unresolved, c)
		} else if failed(c.Path) {
			continue
		} else {
			s.ended = append(s.ended, c)
		}
		found = append(found, spacedb.ConflictRecord{
			Path: c.Path, Kind: string(c.Kind), Base: Describe(c.Base), Space: Describe(c.Space), Dir: Describe(c.Mirror),
			Strategy: c.Strategy.String(), Winner: winner,
		})
	}
	var about func(string) bool
	if r, ok := s.options.only.(resolving); ok {
		about = r.about
	}
	return s.store.SetConflictsAbout(s.mirror.known.ID, s.run.ID, found, about)
}

// Describe is an entry in one word: a hash, or what else it is.
func Describe(e conflict.Entry) string {
	switch e.Kind {
	case conflict.File:
		return hex.EncodeToString(e.Hash[:])
	case conflict.Symlink:
		return "symlink " + e.Target
	case conflict.Directory:
		return "directory"
	}
	return ""
}

// finish closes the run's record and makes everything durable.
func (s *syncer) finish(err error) error {
	if s.options.DryRun {
		return nil
	}
	if s.run.ID != 0 {
		detail := fmt.Sprintf("%d done, %d failed, %d unresolved", s.result.Done, len(s.result.Failed), len(s.result.Unresolved))
		if err != nil {
			detail = err.Error()
		}
		outcome := outcomeOf(err, len(s.result.Failed), len(s.result.Unresolved))
		if err := s.store.FinishRun(s.run.ID, outcome, detail, s.record.waiting); err != nil {
			return err
		}
	}
	return s.store.Sync()
}
