package conflict

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
