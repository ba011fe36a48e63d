package conflict

import (
	"spacefs/internal/attributes"
)

// Extended attributes are decided one by one, each like a path of its own: by
// what each side did to it since the base, by the direction and, where both did
// something else, by the strategies. So an attribute set here and one set there
// are both kept, and neither is in the way of an edit.
//
// A file that is another one than the base knows has not lost its attributes:
// nobody took them from it. Editors and git make a new file at every save; what
// was known of the old one comes back to the new one.

// attributed are the attributes that a path shall have.
type attributed struct {
	want    [2]attributes.Set // by side; they differ where some are left alone
	agreed  attributes.Set    // in the base
	lost    [2]bool           // by side: one of its attributes lost a conflict
	reasons [2]string         // by side: why it gets others
}

// leafWithAttributes is leaf where the attributes of both sides' files, or
// directories, are not the same. A path whose content is left alone keeps its
// attributes too.
func (r *reconciler) leafWithAttributes(p string, b, s, m Entry) survival {
	from, left := len(r.plan.Actions), len(r.plan.Left)
	alive := r.content(p, b.bare(), s.bare(), m.bare())
	if len(r.plan.Left) > left {
		return alive
	}
	a := r.attributes(p, b, s, m)
	decided := append([]Action(nil), r.plan.Actions[from:]...)
	r.plan.Actions = r.plan.Actions[:from]
	was := [2]Entry{s, m}
	sides := was
	for _, act := range decided {
		if act.Op != Adopt {
			side := act.Side
			act.Expect, act.Source, act.Base = was[side], was[side.other()], b
			act.Want.Attributes = a.want[side]
			r.plan.Actions = append(r.plan.Actions, act.agreeing(a))
			sides[side] = act.Want
		}
	}
	changed := len(r.plan.Actions) > from
	for side, e := range sides {
		if e.Attributes == a.want[side] {
			continue
		}
		changed = true
		want := e
		want.Attributes = a.want[side]
		r.plan.Actions = append(r.plan.Actions, Action{
			Path: p, Op: Metadata, Side: Side(side), Expect: e, Source: was[1-side], Want: want, Base: b, Conflict: a.lost[side], Reason: a.reasons[side],
		}.agreeing(a))
	}
	if !changed && (len(decided) > 0 || a.agreed != b.Attributes) {
		r.plan.Actions = append(r.plan.Actions, Action{Path: p, Op: Adopt, Expect: s, Source: m, Want: s, Base: b, Reason: "same on both sides"}.agreeing(a))
	}
	return alive
}

// bare is an entry without its attributes.
func (e Entry) bare() Entry {
	e.Attributes = ""
	return e
}

// agreeing has an action's base take note of what was agreed on.
func (a Action) agreeing(by attributed) Action {
	a.Divided, a.Agreed = by.want[Space] != by.want[Mirror] || by.agreed != by.want[Space], by.agreed
	if !a.Divided {
		a.Agreed = ""
	}
	return a
}

// apartInAttributes says whether there is anything to decide about them: they
// differ, or both sides have a new file and the base knows what was on the old
// ones.
func (r *reconciler) apartInAttributes(b, s, m Entry) bool {
	if s.Kind != m.Kind || s.Kind != File && s.Kind != Directory {
		return false
	}
	return s.Attributes != m.Attributes || s.Attributes.Lacks(b.Attributes) && b.replaced(Space, s) && b.replaced(Mirror, m)
}

// replaced says whether what a side holds is another file than the base knows.
func (b Entry) replaced(side Side, e Entry) bool {
	return b.id(side) != 0 && b.id(side) != e.id(side)
}

// attributes decides them, name by name.
func (r *reconciler) attributes(p string, b, s, m Entry) attributed {
	var a attributed
	source, oneWay := r.rules.Direction.source()
	want, agreed := [2]map[string]string{{}, {}}, map[string]string{}
	for _, name := range attributes.Names(b.Attributes, s.Attributes, m.Attributes) {
		is := [2]Entry{attribute(s, name), attribute(m, name)}
		was := attribute(b, name)
		held := is
		for side := range held {
			side := Side(side)
			if replaced := b.replaced(side, [2]Entry{s, m}[side]); replaced && held[side].Kind == Absent && !(oneWay && side == source) {
				held[side] = was // nobody removed it
			}
		}
		stands, decided := r.attributeThatStands(p, name, was, held)
		if decided.conflict {
			a.lost[decided.side.other()] = true
		}
		for side := range is {
			result := is[side]
			if decided.decided {
				result = stands
			}
			if !result.Same(is[side]) {
				a.reasons[side] = decided.reason
			}
			if result.Kind != Absent {
				want[side][name] = result.Target
			}
		}
		if !decided.decided {
			stands = was
		}
		if stands.Kind != Absent {
			agreed[name] = stands.Target
		}
	}
	a.want, a.agreed = [2]attributes.Set{attributes.Of(want[Space]), attributes.Of(want[Mirror])}, attributes.Of(agreed)
	return a
}

// attributeThatStands settles one attribute, as if it were a file.
func (r *reconciler) attributeThatStands(p, name string, was Entry, held [2]Entry) (Entry, verdict) {
	s, m := held[Space], held[Mirror]
	if s.Same(m) {
		return s, verdict{decided: true, reason: "it came with the file that was replaced"}
	}
	c := Conflict{Path: p, Kind: AttributeChanged, Attribute: name, Base: was, Space: s, Mirror: m}
	v := r.settle(c, !s.Same(was), !m.Same(was))
	if !v.decided {
		return Entry{}, v
	}
	return held[v.side], v
}

// attribute is one of an entry's, as an entry.
func attribute(e Entry, name string) Entry {
	value, ok := e.Attributes.Get(name)
	if !ok {
		return Entry{}
	}
	return Entry{Kind: File, Target: value, Mtime: e.Changed}
}
