package conflict

import "sort"

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
	for _, p := range r.children[""] {
		r.visit(p)
	}
	r.collisions()
	r.plan.Sort()
	r.plan.Actions = append(r.first, r.plan.Actions...)
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

// verdict is who stands at a path.
type verdict struct {
	decided  bool
	side     Side   // whose entry stands
	merged   Entry  // a file: it stands instead, on both sides
	copy     string // where the loser goes; "": to history only
	conflict bool   // the other's was changed too: it lost
	reason   string
}

// settle applies the table, the strategies and the direction to one difference.
func (r *reconciler) settle(c Conflict, spaceChanged, mirrorChanged bool) verdict {
	source, oneWay := r.rules.Direction.source()
	var v verdict
	switch {
	case spaceChanged && !mirrorChanged:
		v = verdict{decided: true, side: Space, reason: "changed in the space"}
	case mirrorChanged && !spaceChanged:
		v = verdict{decided: true, side: Mirror, reason: "changed in the mirror"}
	default:
		return r.contest(c)
	}
	if !oneWay || v.side == source {
		return v
	}
	// Only the destination changed.
	here, there := c.Space, c.Mirror
	if source == Mirror {
		here, there = there, here
	}
	switch {
	case there.Kind == Absent:
		return verdict{decided: true, side: source, reason: "missing at the destination"}
	case here.Kind == Absent && r.rules.DeleteOrphans:
		return verdict{decided: true, side: source, conflict: true, reason: "an orphan at the destination"}
	case here.Kind == Absent:
		r.plan.Left = append(r.plan.Left, Left{c.Path, "only the destination has it"})
		return verdict{}
	}
	return r.contest(c)
}

// contest lets the strategies decide a conflict and writes it down.
func (r *reconciler) contest(c Conflict) verdict {
	c.Strategy, c.Winner = r.rules.resolve(c)
	source, oneWay := r.rules.Direction.source()
	switch {
	case c.Winner == NoWinner:
		r.plan.Left = append(r.plan.Left, Left{c.Path, "conflict: " + c.Strategy.String()})
	case oneWay && c.Winner.side() != source:
		r.plan.Left = append(r.plan.Left, Left{c.Path, "the destination wins, and the source is not written"})
		c.Winner = NoWinner
	}
	v := verdict{decided: c.Winner != NoWinner, conflict: true, reason: c.Strategy.String()}
	switch {
	case c.Winner == MergedWinner:
		v.merged, _ = r.rules.merged(c)
	case v.decided:
		v.side = c.Winner.side()
		if c.Strategy == KeepBoth {
			c.Copy = r.copyOfLoser(c)
			v.copy = c.Copy
		}
	}
	r.plan.Conflicts = append(r.plan.Conflicts, c)
	return v
}

// copyOfLoser names the copy that keep_both makes; "" where there is nothing to
// copy.
func (r *reconciler) copyOfLoser(c Conflict) string {
	winner, loser := c.Space, c.Mirror
	if c.Winner.side() == Mirror {
		winner, loser = loser, winner
	}
	if loser.Kind == Absent || loser.Kind == Directory || loser.sameContent(winner) {
		return ""
	}
	name := copyName(c.Path, c.Winner.side().other(), r.rules.Stamp, func(p string) bool {
		return r.copies[r.fold(p)] || r.inTheWay(p, p) || r.space[p].Kind != Absent || r.mirror[p].Kind != Absent || r.base[p].Kind != Absent ||
			r.rules.Taken != nil && r.rules.Taken(p)
	})
	r.copies[r.fold(name)] = true
	return name
}

// lopsided decides a path at which only one side holds a directory.
func (r *reconciler) lopsided(p string, dirSide Side, b, dir, other Entry) survival {
	dirChanged := !dir.Same(b) || r.changedBelow(p, dirSide)
	otherChanged := !other.Same(b)
	if other.Kind == Absent && b.Kind != File && b.Kind != Symlink {
		if b.Kind == Absent {
			return r.newDirectory(p, dirSide, dir)
		}
		if dirChanged {
			return r.partlyDeleted(p, dirSide, b, dir)
		}
	}
	c := Conflict{Path: p, Kind: KindChanged, Base: b, Space: dir, Mirror: other}
	spaceChanged, mirrorChanged := dirChanged, otherChanged
	if dirSide == Mirror {
		c.Space, c.Mirror = other, dir
		spaceChanged, mirrorChanged = otherChanged, dirChanged
	}
	if other.Kind == Absent {
		c.Kind = EditedAndDeleted
	}
	v := r.settle(c, spaceChanged, mirrorChanged)
	if !v.decided {
		return present(r.space[p], onSpace) | present(r.mirror[p], onMirror)
	}
	loser := r.on(v.side.other())[p]
	r.impose(p, v)
	r.keepCopy(v.copy, loser, v.reason)
	return present(r.on(v.side)[p], onBothSides)
}

// newDirectory: made on one side; the other never had anything there.
func (r *reconciler) newDirectory(p string, side Side, dir Entry) survival {
	c := Conflict{Path: p, Kind: BothCreated}
	if side == Space {
		c.Space = dir
	} else {
		c.Mirror = dir
	}
	left := len(r.plan.Left)
	v := r.settle(c, side == Space, side == Mirror)
	if v.decided && v.side != side {
		r.impose(p, v) // an orphan
		return onNeither
	}
	if !v.decided {
		r.plan.Left = r.plan.Left[:left+1] // one line for all that is below
		return alive(side)
	}
	r.act(p, side.other(), Entry{}, Entry{}, dir, dir, false, v.reason)
	r.below(p)
	return onBothSides
}

// partlyDeleted: one side deleted a directory, the other changed something in
// it. What was not changed goes; the directory stays where something survives.
func (r *reconciler) partlyDeleted(p string, side Side, b, dir Entry) survival {
	source, oneWay := r.rules.Direction.source()
	from := len(r.plan.Conflicts)
	alive := r.below(p)
	for i := range r.plan.Conflicts[from:] {
		if c := &r.plan.Conflicts[from+i]; c.Kind == EditedAndDeleted {
			c.Kind = DeletedAbove
		}
	}
	switch {
	case alive&(1<<side.other()) != 0:
		r.act(p, side.other(), b, Entry{}, dir, dir, false, "holds what outlived its deletion")
		return onBothSides
	case alive != onNeither:
		return alive // left alone on its side, and so its directory is
	case oneWay && source == side:
		r.act(p, side.other(), b, Entry{}, dir, dir, false, "missing at the destination")
		return onBothSides
	case !dir.Same(b):
		return r.changedMode(p, side, b, dir)
	}
	r.act(p, side, b, dir, Entry{}, Entry{}, false, "deleted in the "+side.other().String())
	return onNeither
}

// changedMode: an empty directory whose mode was changed on one side and that was
// deleted on the other is a conflict like a file's.
func (r *reconciler) changedMode(p string, side Side, b, dir Entry) survival {
	c := Conflict{Path: p, Kind: EditedAndDeleted, Base: b, Space: dir}
	if side == Mirror {
		c.Space, c.Mirror = Entry{}, dir
	}
	v := r.contest(c)
	switch {
	case !v.decided:
		return alive(side)
	case v.side == side:
		r.act(p, side.other(), b, Entry{}, dir, dir, false, v.reason)
		return onBothSides
	}
	r.act(p, side, b, dir, Entry{}, Entry{}, true, v.reason)
	return onNeither
}

// changedBelow says whether a side differs from the base anywhere below p.
func (r *reconciler) changedBelow(p string, side Side) bool {
	for _, c := range r.children[p] {
		if !r.on(side)[c].Same(r.base[c]) || r.changedBelow(c, side) {
			return true
		}
	}
	return false
}

// impose makes a path and everything below it what one side holds.
func (r *reconciler) impose(p string, v verdict) {
	winner, loser := r.on(v.side)[p], r.on(v.side.other())[p]
	if winner.Same(loser) {
		if b := r.base[p]; !b.Same(winner) {
			r.plan.Actions = append(r.plan.Actions, Action{Path: p, Op: Adopt, Expect: r.space[p], Source: r.mirror[p], Want: winner, Base: b, Reason: "same on both sides"})
		}
	} else {
		r.act(p, v.side.other(), r.base[p], loser, winner, winner, v.conflict && !loser.Same(r.base[p]), v.reason)
	}
	for _, c := range r.children[p] {
		r.impose(c, v)
	}
}

// act plans what makes side hold want.
func (r *reconciler) act(p string, side Side, base, expect, source, want Entry, conflict bool, reason string) {
	a := Action{Path: p, Side: side, Expect: expect, Source: source, Want: want, Base: base, Conflict: conflict, Reason: reason}
	r.plan.Actions = append(r.plan.Actions, a.Steps()...)
}
