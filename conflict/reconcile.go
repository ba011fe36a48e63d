package conflict

import (
	"sort"
)

// Reconcile decides what makes space and mirror agree. It is total and
// deterministic, and touches nothing.
//
// The trees may be pruned: a path that is the same in all three may be missing
// from all three. What differs must be there with its ancestors; and where a
// side deleted or retyped a directory, so must everything that any side holds
// below it.
//
// For each path, by what each side did since the base:
//
//	space \ mirror    unchanged        same change   edited             deleted
//	unchanged         -                -             mirror → space     delete in space
//	edited, created   space → mirror   adopt         conflict           conflict
//	deleted           delete in mirror adopt         conflict           adopt
//
// One-way syncs never act on their source. There, what only the destination
// changed is a conflict too: a winning source puts it back, a winning
// destination is left alone and told. What the destination deleted comes back;
// what only it ever had stays, unless orphans are to be deleted.
//
// A path whose conflict nobody wins keeps its base, so the next run finds it
// again.
func Reconcile(base, space, mirror Tree, rules Rules) Plan {
	r := &reconciler{base: base, space: space, mirror: mirror, rules: rules, children: map[string][]string{}, indexed: map[string]bool{}, copies: map[string]bool{}}
	r.index()
	r.carryMoves()
	r.sortIndex()
	r.plan.Actions = make([]Action, 0, len(r.indexed)) // as many as there may be: they are large to move
	for _, p := range r.children[""] {
		r.visit(p)
	}
	r.collisions()
	r.plan.Sort()
	if len(r.first) > 0 {
		r.plan.Actions = append(r.first, r.plan.Actions...)
	}
	return r.plan
}

type reconciler struct {
	base, space, mirror Tree
	rules               Rules
	own                 bool                // the trees are copies
	children            map[string][]string // paths, sorted
	indexed             map[string]bool     // those that are in children
	copies              map[string]bool     // names that were given to losers, folded
	first               []Action            // moves, the directories they need, and copies of losers
	plan                Plan
}

// index finds each path's children in any of the trees.
func (r *reconciler) index() {
	for _, t := range []Tree{r.base, r.space, r.mirror} {
		for p := range t {
			r.addToIndex(p)
		}
	}
}

func (r *reconciler) addToIndex(p string) {
	for p != "" && !r.indexed[p] {
		r.indexed[p] = true
		dir := parent(p)
		r.children[dir] = append(r.children[dir], p)
		p = dir
	}
}

func (r *reconciler) sortIndex() {
	for _, list := range r.children {
		sort.Strings(list)
	}
}

func (r *reconciler) on(s Side) Tree {
	if s == Space {
		return r.space
	}
	return r.mirror
}

// survival is what is left of a path, as its parent has to know.
type survival uint8

const (
	onNeither   survival = 0
	onSpace     survival = 1 << Space
	onMirror    survival = 1 << Mirror
	onBothSides          = onSpace | onMirror
)

func alive(s Side) survival { return 1 << s }

// visit decides a path and what is below it, and tells where it survives.
func (r *reconciler) visit(p string) survival {
	b, s, m := r.base[p], r.space[p], r.mirror[p]
	switch {
	case s.Kind == Directory && m.Kind == Directory:
		r.leaf(p, b, s, m)
		r.below(p)
		return onBothSides
	case s.Kind == Directory:
		return r.lopsided(p, Space, b, s, m)
	case m.Kind == Directory:
		return r.lopsided(p, Mirror, b, m, s)
	}
	r.below(p) // only the base can hold anything there
	return r.leaf(p, b, s, m)
}

func (r *reconciler) below(p string) (all survival) {
	for _, c := range r.children[p] {
		all |= r.visit(c)
	}
	return all
}

// leaf decides a path by itself: neither side holds anything below it, or both
// hold a directory.
func (r *reconciler) leaf(p string, b, s, m Entry) survival {
	if r.apartInAttributes(b, s, m) {
		return r.leafWithAttributes(p, b, s, m)
	}
	return r.content(p, b, s, m)
}

// content decides what a leaf is, and its content and mode.
func (r *reconciler) content(p string, b, s, m Entry) survival {
	if s.Same(m) {
		if !b.Same(s) {
			r.plan.Actions = append(r.plan.Actions, Action{Path: p, Op: Adopt, Expect: s, Source: m, Want: s, Base: b, Reason: "same on both sides"})
		}
		return present(s, onSpace) | present(m, onMirror)
	}
	if merged, ok := r.mergeMode(b, s, m); ok {
		r.act(p, Space, b, s, m, merged, false, "content changed on one side, mode on the other")
		r.act(p, Mirror, b, m, s, merged, false, "content changed on one side, mode on the other")
		return onBothSides
	}
	c := Conflict{Path: p, Kind: kindOf(b, s, m), Base: b, Space: s, Mirror: m}
	v := r.settle(c, !s.Same(b), !m.Same(b))
	if !v.decided {
		return present(s, onSpace) | present(m, onMirror)
	}
	if v.merged.Kind == File {
		from := len(r.plan.Actions)
		r.act(p, Space, b, s, m, v.merged, true, v.reason)
		r.act(p, Mirror, b, m, s, v.merged, true, v.reason)
		for i := range r.plan.Actions[from:] {
			r.plan.Actions[from+i].Content = MergeOf
		}
		return onBothSides
	}
	winner, loser := r.on(v.side)[p], r.on(v.side.other())[p]
	r.act(p, v.side.other(), b, loser, winner, winner, v.conflict, v.reason)
	r.keepCopy(v.copy, loser, v.reason)
	return present(winner, onBothSides)
}

// keepCopy puts what lost a conflict under another name on both sides, before
// anything takes its place.
func (r *reconciler) keepCopy(p string, loser Entry, reason string) {
	if p == "" {
		return
	}
	loser.Node, loser.Inode = 0, 0 // it is a copy
	for _, side := range []Side{Space, Mirror} {
		r.first = append(r.first, Action{Path: p, Side: side, Want: loser, Content: History, Reason: reason}.Steps()...)
	}
}

func present(e Entry, where survival) survival {
	if e.Kind == Absent {
		return onNeither
	}
	return where
}

// mergeMode: a content that changed here and a mode that changed there do not
// contradict each other.
func (r *reconciler) mergeMode(b, s, m Entry) (Entry, bool) {
	if r.rules.Direction != Bidirectional || b.Kind != File || s.Kind != File || m.Kind != File {
		return Entry{}, false
	}
	content, mode := s, m
	if s.sameContent(b) {
		content, mode = m, s
	}
	if content.Mode != b.Mode || content.sameContent(b) || mode.Mode == b.Mode || !mode.sameContent(b) {
		return Entry{}, false
	}
	content.Mode = mode.Mode
	return content, true
}

func kindOf(b, s, m Entry) ConflictKind {
	switch {
	case s.Kind == Absent || m.Kind == Absent:
		return EditedAndDeleted
	case b.Kind == Absent && s.Kind == m.Kind:
		return BothCreated
	case s.Kind != m.Kind:
		return KindChanged
	case s.sameContent(m):
		return ModeOnly
	}
	return BothEdited
}

// act plans what makes side hold want.
func (r *reconciler) act(p string, side Side, base, expect, source, want Entry, conflict bool, reason string) {
	a := Action{Path: p, Side: side, Expect: expect, Source: source, Want: want, Base: base, Conflict: conflict, Reason: reason}
	r.plan.Actions = a.appendSteps(r.plan.Actions)
}
