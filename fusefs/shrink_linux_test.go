package fusefs_test

import (
	"slices"
	"testing"
)

// shrink finds a short sequence that still fails: it leaves out larger parts,
// then smaller ones, and then says less in each action, until nothing helps.
func shrink(all []action, fails func([]action) bool) []action {
	for again := true; again; {
		again = false
		for part := max(len(all)/2, 1); part > 0; part /= 2 {
			for from := 0; from < len(all); {
				without := slices.Delete(slices.Clone(all), from, min(from+part, len(all)))
				if fails(without) {
					all, again = without, true
				} else {
					from += part
				}
			}
		}
		for i := range all {
			for _, s := range all[i].simpler() {
				with := slices.Clone(all)
				if with[i] = s; fails(with) {
					all, again = with, true
					break
				}
			}
		}
	}
	return all
}

func TestShrinkingLeavesWhatMatters(t *testing.T) {
	r := newActions(1, 1, nil)
	var all []action
	for range 300 {
		all = append(all, r.next())
	}
	all = slices.Insert(all, 50, action{op: "first", size: 7, off: 9, who: 2})
	all = slices.Insert(all, 200, action{op: "second", size: 70})
	tries := 0
	got := shrink(all, func(some []action) bool {
		tries++
		first := slices.IndexFunc(some, func(a action) bool { return a.op == "first" && a.off == 9 })
		second := slices.IndexFunc(some, func(a action) bool { return a.op == "second" })
		return first >= 0 && second > first
	})
	want := []action{{op: "first", size: 1, off: 9, mode: 0o644}, {op: "second", size: 1, mode: 0o644}}
	if !slices.Equal(got, want) || tries > 1000 {
		t.Errorf("after %d tries %v", tries, got)
	}
}
