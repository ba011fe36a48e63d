package conflict

import (
	"fmt"
	"reflect"
	"sort"
	"strings"
	"testing"
)

// What a side did, in words: "mv a b", "rm a", "edit a", "new a", "mkdir a".
func did(t Tree, steps ...string) Tree {
	t = t.clone()
	for _, step := range steps {
		f := strings.Fields(step)
		switch f[0] {
		case "mv":
			rename(t, f[1], f[2])
		case "rm":
			remove(t, f[1])
		case "edit", "new":
			e := file(step, 5)
			e.Node, e.Inode = t[f[1]].Node, t[f[1]].Inode
			t[f[1]] = e
		case "copy":
			e := t[f[1]]
			e.Node, e.Inode = 0, 0
			t[f[2]] = e
		case "mkdir":
			t[f[1]] = directory(5)
		}
	}
	return t
}

func TestMovesAreCarried(t *testing.T) {
	base := Tree{"a": file("text of a", 1), "b": file("text of b", 1), "e": file("", 1), "d": directory(1), "d/x": file("text of x", 1), "d/y": file("text of y", 1)}
	identify(base)
	steps := func(words ...string) []string { return words }
	for _, c := range []struct {
		what          string
		space, mirror []string
		want          []string // the plan
		agree         []string // what both sides have in the end, as done to the base
	}{
		{"a file", steps("mv a z"), nil, steps("move a → z in the mirror"), steps("mv a z")},
		{"a file, in the mirror", nil, steps("mv a z"), steps("move a → z in the space"), steps("mv a z")},
		{"a file by its content only", nil, steps("copy a z", "rm a"), steps("move a → z in the space"), steps("mv a z")},
		{"an empty file by its identity", nil, steps("mv e z"), steps("move e → z in the space"), steps("mv e z")},
		{"an empty file is like any other", nil, steps("copy e z", "rm e"), steps("remove e in the space", "write z in the space"), steps("mv e z")},
		{"edited and moved", steps("edit a", "mv a z"), nil, steps("move a → z in the mirror", "write z in the mirror"), steps("edit a", "mv a z")},
		{"moved here, edited there", steps("mv a z"), steps("edit a"), steps("move a → z in the mirror", "write z in the space"), steps("edit a", "mv a z")},
		{"into a new directory", steps("mkdir n", "mkdir n/m", "mv a n/m/a"), nil, steps("mkdir n in the mirror", "mkdir n/m in the mirror", "move a → n/m/a in the mirror"), steps("mkdir n", "mkdir n/m", "mv a n/m/a")},
		{"a directory", steps("mv d n"), nil, steps("move d → n in the mirror"), steps("mv d n")},
		{"a directory, and what was edited, made and removed in it there", steps("mv d n"), steps("edit d/x", "new d/z", "rm d/y"),
			steps("move d → n in the mirror", "remove n/y in the space", "write n/x in the space", "write n/z in the space"), steps("edit d/x", "new d/z", "rm d/y", "mv d n")},
		{"out of a directory that moved", steps("mv d n", "mv n/x x"), nil, steps("move d → n in the mirror", "move n/x → x in the mirror"), steps("mv d n", "mv n/x x")},
		{"one in the place of another is that one's next content, as when an editor saves", steps("mv b c", "mv a b"), nil,
			steps("remove a in the mirror", "write b in the mirror", "write c in the mirror"), steps("mv b c", "mv a b")},
		{"both sides, different files", steps("mv a z"), steps("mv b y"), steps("move a → z in the mirror", "move b → y in the space"), steps("mv a z", "mv b y")},
		{"moved here, deleted there: it stays", steps("mv a z"), steps("rm a"), steps("adopt a in the space", "write z in the mirror"), steps("mv a z")},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(base, did(base, c.space...), did(base, c.mirror...))
			plan := Reconcile(w.base, w.space, w.mirror, Rules{})
			var got []string
			for _, a := range plan.Actions {
				path := a.Path
				if a.Op == Move {
					path = a.From + " → " + path
				}
				got = append(got, fmt.Sprintf("%s %s in the %s", a.Op, path, a.Side))
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("the plan is %q", got)
			}
			if err := w.apply(plan); err != nil {
				t.Fatal(err)
			}
			want := did(base, c.agree...).text()
			if w.space.text() != want || w.mirror.text() != want || w.base.text() != want {
				t.Errorf("space\n%s\nmirror\n%s\nbase\n%s", w.space.text(), w.mirror.text(), w.base.text())
			}
			if inSpace, inMirror := plan.Deletions(); inSpace+inMirror > strings.Count(strings.Join(c.want, "\n"), "remove") {
				t.Errorf("%d and %d deletions", inSpace, inMirror)
			}
		})
	}
}

func TestAMoveOfTheDestinationIsNotCarried(t *testing.T) {
	base := Tree{"a": file("text of a", 1)}
	identify(base)
	plan := Reconcile(base, base, did(base, "mv a z"), Rules{Direction: SpaceToDirectory})
	if len(plan.Actions) != 1 || plan.Actions[0].Op != Write || plan.Actions[0].Path != "a" {
		t.Errorf("the plan is %v", plan.Actions)
	}
}

func TestTheCallersTreesAreLeftAlone(t *testing.T) {
	base := Tree{"d": directory(1), "d/x": file("x", 1)}
	identify(base)
	space, mirror := did(base, "mv d e"), base.clone()
	Reconcile(base, space, mirror, Rules{})
	for what, tree := range map[string]Tree{"base": base, "mirror": mirror} {
		var paths []string
		for p := range tree {
			paths = append(paths, p)
		}
		sort.Strings(paths)
		if !reflect.DeepEqual(paths, []string{"d", "d/x"}) {
			t.Errorf("the %s holds %v", what, paths)
		}
	}
}
