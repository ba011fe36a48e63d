package materialize

import (
	"sort"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// turn is what a run did at one path, in sum.
type turn struct {
	path  string
	sides [2]*change // by conflict.Side; nil: it did nothing there
	base  spacedb.State
	whole bool              // nothing failed there
	held  [2]*spacedb.State // where it did nothing and left attributes alone: what there was
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
			t.held[side] = &a.After
		case c == nil:
			t.sides[side], t.held = &change{a.Before, a.After}, [2]*spacedb.State{}
		default:
			c.after, t.held = a.After, [2]*spacedb.State{}
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

// done says whether a path is already what it was before the run.
func (t *turn) done(now [2]conflict.Entry, looked bool) bool {
	for side, c := range t.sides {
		if c != nil && !isState(now[side], c.before, looked) {
			return false
		}
	}
	return true
}
