package materialize

import (
	"slices"
	"time"

	"spacefs/conflict"
)

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

	leftover   leftover
	attributes bool // extended ones counted
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
	for i := range r.Plan.Actions {
		switch a := &r.Plan.Actions[i]; {
		case failed[a.Path]:
		case a.Op == conflict.Adopt:
			n["adopted"]++
		default:
			n["to_"+a.Side.String()]++
		}
	}
	return n
}

// tell puts into the result what is known now: what earlier rounds did stays.
func (s *syncer) tell(v *view) {
	s.result.Scanned = v.mirror.scanned
	s.result.Notices = slices.Concat(s.notices, v.space.notices, v.mirror.notices)
	s.result.Failed = append(append([]PathError(nil), v.mirror.failed.list...), v.refused...)
	s.result.Plan = conflict.Plan{
		Actions:   s.doneAnd(v.plan.Actions),
		Conflicts: append(append([]conflict.Conflict(nil), s.ended...), v.plan.Conflicts...),
		Left:      append(v.apart.lines(), v.plan.Left...),
	}
}

// doneAnd is what earlier rounds did, and what there is to do.
func (s *syncer) doneAnd(planned []conflict.Action) []conflict.Action {
	if len(s.did) == 0 {
		return slices.Clip(planned)
	}
	all := make([]conflict.Action, 0, len(s.did)+len(planned))
	for _, a := range s.did {
		all = append(all, *a)
	}
	return append(all, planned...)
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
		for i := range plan.Actions {
			if a := &plan.Actions[i]; s.options.DryRun && a.Op != conflict.Adopt {
				report.Tell(actionEvent(*a))
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
