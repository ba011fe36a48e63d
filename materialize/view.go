package materialize

import (
	"context"
	"fmt"
	"time"

	"spacefs/conflict"
	"spacefs/spacedb"
)

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
	// refusedAttributes the mirror's filesystem would not take.
	refusedAttributes []PathError
	withheld          []string // is not in the plan and should be
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
	base, err := openBaseline(v.snapshot, s.mirror.known.ID, s.attributes && !s.anew)
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
	if s.everything || s.anew || focus != nil && focus.decides() {
		since, focus = 0, nil
	}
	if v.space, err = scanSpace(ctx, v.snapshot, since, also, base, s.attributes); err != nil {
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
		attributes: s.attributes, anew: s.anew, lastSync: s.mirror.known.LastSync,
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
	v.apart = stillApart(apart, sp, mi, s.attributes, func(p string) bool { return v.mirror.failed.cover(p) || busy.cover(p) })
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
