package conflict

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
		r.leave(c, "only the destination has it")
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
		r.leave(c, "conflict: "+c.Strategy.String())
	case oneWay && c.Winner.side() != source:
		r.leave(c, "the destination wins, and the source is not written")
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

// leave tells that a path, or an attribute of it, stays as it is.
func (r *reconciler) leave(c Conflict, reason string) {
	if c.Attribute != "" {
		reason = "attribute " + c.Attribute + ": " + reason
	}
	r.plan.Left = append(r.plan.Left, Left{c.Path, reason})
}

// copyOfLoser names the copy that keep_both makes; "" where there is nothing to
// copy.
func (r *reconciler) copyOfLoser(c Conflict) string {
	winner, loser := c.Space, c.Mirror
	if c.Winner.side() == Mirror {
		winner, loser = loser, winner
	}
	if c.Attribute != "" || loser.Kind == Absent || loser.Kind == Directory || loser.sameContent(winner) {
		return ""
	}
	name := copyName(c.Path, c.Winner.side().other(), r.rules.Stamp, func(p string) bool {
		return r.copies[r.fold(p)] || r.inTheWay(p, p) || r.space[p].Kind != Absent || r.mirror[p].Kind != Absent || r.base[p].Kind != Absent ||
			r.rules.Taken != nil && r.rules.Taken(p)
	})
	r.copies[r.fold(name)] = true
	return name
}
