package materialize

import (
	"fmt"
	"sort"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// apartPaths are the paths that an undo left apart and that still are as it left
// them.
type apartPaths struct {
	pathSet
	runs  map[string]int64
	stale []string // those of which a side changed since: they are synced again
}

// stillApart compares what was remembered with what the sides hold now. What
// could not be looked at is neither.
func stillApart(list []spacedb.Apart, space, mirror conflict.Tree, looked bool, unknown func(string) bool) *apartPaths {
	a := &apartPaths{runs: map[string]int64{}}
	for _, p := range list {
		switch {
		case unknown(p.Path):
		case isState(space[p.Path], p.Space, looked) && isState(mirror[p.Path], p.Mirror, looked):
			a.put(p.Path)
			a.runs[p.Path] = p.Run
		default:
			a.stale = append(a.stale, p.Path)
		}
	}
	return a
}

func (a *apartPaths) has(p string) bool {
	_, ok := a.runs[p]
	return ok
}

// leave takes out of a plan what would make those paths agree. A directory that
// is apart is made all the same where something new is to be in it; one that
// holds what is apart does not go.
func (a *apartPaths) leave(plan conflict.Plan) conflict.Plan {
	if len(a.runs) == 0 {
		return plan
	}
	var needed [2]pathSet // by side: what is written there
	for _, act := range plan.Actions {
		if !a.has(act.Path) && act.Op != conflict.Remove {
			needed[act.Side].put(act.Path)
		}
	}
	actions := plan.Actions[:0:0]
	for _, act := range plan.Actions {
		made := act.Op == conflict.Mkdir && needed[act.Side].below(act.Path)
		if a.has(act.Path) && !made || act.Op == conflict.Remove && a.below(act.Path) {
			continue
		}
		actions = append(actions, act)
	}
	conflicts := plan.Conflicts[:0:0]
	for _, c := range plan.Conflicts {
		if !a.has(c.Path) {
			conflicts = append(conflicts, c)
		}
	}
	left := plan.Left[:0:0]
	for _, l := range plan.Left {
		if !a.has(l.Path) {
			left = append(left, l)
		}
	}
	return conflict.Plan{Actions: actions, Conflicts: conflicts, Left: left}
}

// lines say what was left apart.
func (a *apartPaths) lines() (left []conflict.Left) {
	for p, run := range a.runs {
		left = append(left, conflict.Left{Path: p, Reason: fmt.Sprintf("apart since run %d took it back; synced again when a side changes", run)})
	}
	sort.Slice(left, func(i, j int) bool { return left[i].Path < left[j].Path })
	return left
}
