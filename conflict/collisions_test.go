package conflict

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func folding(r Rules) Rules {
	r.Fold = strings.ToLower
	return r
}

func TestCollidingNamesAreLeftApart(t *testing.T) {
	here := Tree{"README": file("1", 1), "d": directory(1), "d/x": file("2", 1)}
	identify(here)
	for _, c := range []struct {
		what   string
		space  Tree
		want   []string // of the mirror
		collid string   // the one path that is left; "" none
	}{
		{"with what is there", did(here, "new readme"), []string{"README", "d", "d/x"}, "readme"},
		{"with each other", did(here, "new new", "new NEW"), []string{"NEW", "README", "d", "d/x"}, "new"},
		{"directories, and all that is in them", did(here, "mkdir D", "new D/y", "mkdir D/z"), []string{"README", "d", "d/x"}, "D"},
		{"a renaming", did(here, "mv README readme"), []string{"d", "d/x", "readme"}, ""},
		{"a renaming of a directory", did(here, "mv d D"), []string{"D", "D/x", "README"}, ""},
		{"a new file under the other spelling", did(here, "rm README", "new readme"), []string{"d", "d/x", "readme"}, ""},
		{"a move to where something else is", did(here, "mv d/x readme"), []string{"README", "d"}, "readme"},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(here, c.space, here)
			plan := Reconcile(w.base, w.space, w.mirror, folding(Rules{}))
			if err := w.apply(plan); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(w.mirror.paths(), " "); got != strings.Join(c.want, " ") {
				t.Errorf("the mirror holds %s", got)
			}
			if w.space.text() != c.space.text() {
				t.Errorf("the space became\n%s", w.space.text())
			}
			switch {
			case c.collid == "" && len(plan.Conflicts)+len(plan.Left) > 0:
				t.Errorf("conflicts %v", plan.Conflicts)
			case c.collid != "" && (len(plan.Conflicts) != 1 || plan.Conflicts[0].Path != c.collid || plan.Conflicts[0].Kind != NameCollision || plan.Conflicts[0].Winner != NoWinner):
				t.Errorf("conflicts %v", plan.Conflicts)
			}
		})
	}
}

// folds says whether two names of a tree are one to a filesystem that folds.
func folds(tree Tree) bool {
	seen := map[string]bool{}
	for p := range tree {
		dir, name := splitName(p)
		key := dir + strings.ToLower(name)
		if seen[key] {
			return true
		}
		seen[key] = true
	}
	return false
}

func TestAMirrorThatFoldsNeverHoldsTwoNamesThatAreOne(t *testing.T) {
	defer func(was *rapid.Generator[string]) { names = was }(names)
	names = rapid.SampledFrom([]string{"a", "A", "b"})
	rapid.Check(t, func(t *rapid.T) {
		base, space, mirror := drawThree(t)
		if folds(base) || folds(mirror) {
			t.Skip("no mirror that folds can hold this")
		}
		rules := folding(drawRules(t))
		w := newWorld(base, space, mirror)
		for range 2 {
			plan := Reconcile(w.base, w.space, w.mirror, rules)
			w.keepLosers(plan)
			for _, a := range plan.Actions {
				if err := w.act(a); err != nil {
					t.Fatalf("%s %s in the %s: %v", a.Op, a.Path, a.Side, err)
				}
				if folds(w.mirror) {
					t.Fatalf("after %s %s the mirror holds\n%s", a.Op, a.Path, w.mirror.text())
				}
			}
			if lost := w.vanished(space, mirror); len(lost) > 0 {
				t.Fatalf("contents vanished: %v", lost)
			}
		}
		if again := Reconcile(w.base, w.space, w.mirror, rules); len(again.Actions) > 0 {
			t.Fatalf("a third sync would do %v", again.Actions)
		}
	})
}
