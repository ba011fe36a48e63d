package conflict

import (
	"fmt"
	"testing"

	"spacefs/internal/attributes"
)

// held is one attribute: "" there is none, else "=" and its value.
type held string

func (h held) set() attributes.Set {
	if h == "" {
		return ""
	}
	return attributes.Of(map[string]string{"user.a": string(h[1:])})
}

func heldBy(e Entry) held {
	if v, ok := e.Attributes.Get("user.a"); ok {
		return held("=" + v)
	}
	return ""
}

// attributeQuestion is one cell of the matrix of an attribute.
type attributeQuestion struct {
	base, space, mirror held
	replaced            [2]bool // by side: it holds another file than the base knows
	direction           Direction
	strategy            Strategy
	orphans             bool
	newer               Side
}

// oracle is docs/metadata.md in other words: what both sides hold in the end,
// and what they agree on.
func (q attributeQuestion) oracle() (space, mirror, base held) {
	sides := [2]held{q.space, q.mirror}
	source, oneWay := q.direction.source()
	for side := range sides {
		if isSource := oneWay && Side(side) == source; q.replaced[side] && sides[side] == "" && !isSource {
			sides[side] = q.base
		}
	}
	s, m := sides[Space], sides[Mirror]
	if s == m {
		return s, s, s
	}
	both := func(h held) (held, held, held) { return h, h, h }
	stay := func() (held, held, held) { return q.space, q.mirror, q.base }
	if !oneWay {
		switch {
		case m == q.base:
			return both(s)
		case s == q.base:
			return both(m)
		}
	} else {
		from, to := sides[source], sides[source.other()]
		switch {
		case to == q.base, to == "" && from == q.base:
			return both(from)
		case from == q.base && from == "":
			if q.orphans {
				return both("")
			}
			return stay()
		}
	}
	// Both changed it, or the destination did.
	winner := Side(9)
	switch q.strategy {
	case SpaceWins:
		winner = Space
	case DirectoryWins:
		winner = Mirror
	case NewerWins, KeepBoth:
		switch {
		case q.strategy == KeepBoth && oneWay:
		case m == "":
			winner = Space
		case s == "":
			winner = Mirror
		default:
			winner = q.newer
		}
	}
	if winner > Mirror || oneWay && winner != source {
		return stay()
	}
	return both(sides[winner])
}

func TestEveryHistoryOfAnAttribute(t *testing.T) {
	values := []held{"", "=", "=old", "=1"}
	cells := 0
	bools := []bool{false, true}
	for _, base := range []held{"", "=old", "="} {
		for _, s := range values {
			for _, m := range values {
				for strategy := range strategies {
					for direction := range directions {
						for bits := range 16 {
							q := attributeQuestion{base, s, m, [2]bool{bools[bits&1], bools[bits>>1&1]}, Direction(direction), Strategy(strategy), bools[bits>>2&1], Side(bits >> 3)}
							if q.orphans && q.direction == Bidirectional {
								continue
							}
							cells++
							q.check(t)
						}
					}
				}
			}
		}
	}
	t.Logf("%d cells", cells)
}

func (q attributeQuestion) check(t *testing.T) {
	t.Helper()
	entry := func(h held) Entry {
		e := file("text", 1)
		e.Node, e.Inode, e.Attributes, e.Changed = 1, 2, h.set(), 1
		return e
	}
	b, s, m := entry(q.base), entry(q.space), entry(q.mirror)
	if q.replaced[Space] {
		s.Node = 3
	}
	if q.replaced[Mirror] {
		m.Inode = 4
	}
	if q.newer == Mirror {
		m.Changed = 2
	}
	rules := Rules{Direction: q.direction, Strategies: []Strategy{q.strategy}, DeleteOrphans: q.orphans, Merge: func(string, Entry, Entry, Entry) (Entry, bool) {
		t.Errorf("%+v: asked to merge contents", q)
		return Entry{}, false
	}}
	w := newWorld(Tree{"p": b}, Tree{"p": s}, Tree{"p": m})
	plan := Reconcile(w.base, w.space, w.mirror, rules)
	if err := w.apply(plan); err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	wantSpace, wantMirror, wantBase := q.oracle()
	if s, m, b := heldBy(w.space["p"]), heldBy(w.mirror["p"]), heldBy(w.base["p"]); s != wantSpace || m != wantMirror || b != wantBase {
		t.Errorf("%+v: space %q, mirror %q, base %q; want %q, %q, %q\n%+v", q, s, m, b, wantSpace, wantMirror, wantBase, plan)
	}
	for _, a := range plan.Actions {
		if a.Op != Metadata && a.Op != Adopt {
			t.Errorf("%+v: %s", q, a.Op)
		}
	}
	if left := wantSpace != wantMirror; left != (len(plan.Left) > 0) {
		t.Errorf("%+v: left %v", q, plan.Left)
	}
}

func TestAttributesOfDifferentNamesAreBothKeptWithAnEdit(t *testing.T) {
	base := file("1", 1)
	base.Node, base.Inode = 1, 2
	base.Attributes = attributes.Of(map[string]string{"user.gone": "x", "user.fought": "0"})
	s, m := base, file("2", 2)
	s.Attributes = attributes.Of(map[string]string{"user.new": "here", "user.fought": "s"})
	s.Changed = 5
	m.Node, m.Inode = 0, 3 // saved by an editor, as a new file
	m.Attributes = attributes.Of(map[string]string{"user.fought": "m"})
	w := newWorld(Tree{"p": base}, Tree{"p": s}, Tree{"p": m})
	plan := Reconcile(w.base, w.space, w.mirror, Rules{})
	if err := w.apply(plan); err != nil {
		t.Fatal(err)
	}
	want := file("2", 2)
	want.Attributes = s.Attributes
	for side, e := range []Entry{w.space["p"], w.mirror["p"], w.base["p"]} {
		if !e.Same(want) {
			t.Errorf("%d holds %q, %v", side, e.Attributes.Map(), plan.Actions)
		}
	}
	if len(plan.Conflicts) != 1 || plan.Conflicts[0].Attribute != "user.fought" || plan.Conflicts[0].Winner != SpaceWinner || len(plan.Actions) != 2 {
		t.Errorf("%+v", plan)
	}
}

func TestACopyOfTheLoserHasItsAttributes(t *testing.T) {
	s, m := file("1", 2), file("2", 1)
	s.Attributes, m.Attributes = attributes.Of(map[string]string{"user.a": "s"}), attributes.Of(map[string]string{"user.a": "m", "user.b": "m"})
	w := newWorld(Tree{}, Tree{"p": s}, Tree{"p": m})
	if err := w.apply(Reconcile(w.base, w.space, w.mirror, Rules{Strategies: []Strategy{KeepBoth}, Stamp: "today"})); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(w.space.paths()) != "[p p (conflict from mirror today)]" || w.space["p (conflict from mirror today)"].Attributes != m.Attributes {
		t.Errorf("the space is\n%s", w.space.text())
	}
}
