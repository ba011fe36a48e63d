package materialize

import (
	"errors"
	"fmt"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// consider plans how a path becomes what it was, or says why not.
func (u *undoer) consider(t *turn) error {
	now, err := u.now(t.path)
	if err != nil {
		return err
	}
	if t.done(now, u.attributes) {
		return nil
	}
	was := now
	for side, c := range t.sides {
		switch side := conflict.Side(side); {
		case c == nil && u.mirror == nil && side == conflict.Mirror:
		case c == nil:
			if t.whole && !isState(now[side], u.untouched(t, side), u.attributes) {
				return changedSince(side)
			}
		case isState(now[side], c.after, u.attributes), now[side].Kind == conflict.Absent && u.halfDone(t, side):
			was[side] = u.before(c, now[side])
		case !isState(now[side], c.before, u.attributes): // else it is what it was already
			return changedSince(side)
		}
	}
	return u.turnBack(t, now, was)
}

// halfDone says whether an undo that did not end was about to put back what was
// there, and had only removed what was in its way.
func (u *undoer) halfDone(t *turn, side conflict.Side) bool {
	a, ok := u.apart[t.path]
	goal := [...]spacedb.State{a.Space, a.Mirror}[side]
	return ok && !goal.Absent() && isState(entryOf(goal), t.sides[side].before, u.attributes)
}

// before is what a side held before a change, with the attributes that it has
// now where nobody looked at them then.
func (u *undoer) before(c *change, now conflict.Entry) conflict.Entry {
	e := entryOf(c.before)
	switch {
	case !u.attributes || c.before.Attributes == nil && e.Kind != now.Kind:
		e.Attributes = ""
	case c.before.Attributes == nil:
		e.Attributes = now.Attributes
	}
	return e
}

// untouched is what the side held, and must still hold, at which the run did
// nothing: both agreed afterwards, or were left apart.
func (u *undoer) untouched(t *turn, side conflict.Side) spacedb.State {
	if a, ok := u.apart[t.path]; ok && a.Run == u.of.ID {
		return [...]spacedb.State{a.Space, a.Mirror}[side]
	}
	if own := t.held[side]; own != nil {
		return *own
	}
	return t.sides[1-side].after
}

func changedSince(side conflict.Side) error {
	return fmt.Errorf("it changed in the %s since the run; it is left as it is", side)
}

// now is what both sides hold at a path, by conflict.Side.
func (u *undoer) now(p string) (now [2]conflict.Entry, err error) {
	it, err := u.view.Item(p)
	switch {
	case errors.Is(err, spacedb.ErrNotFound), errors.Is(err, spacedb.ErrNotDir):
	case err != nil:
		return now, err
	case it.Attr.IsRegular() && !it.Sealed:
		return now, changedSince(conflict.Space)
	default:
		if u.attributes {
			if err := addAttributes(u.view, &it); err != nil {
				return now, err
			}
		}
		u.space[p] = it
		now[conflict.Space] = itemEntry(it)
	}
	if u.mirror == nil {
		return now, nil
	}
	b, known, err := u.base.at(p)
	if err != nil {
		return now, err
	}
	info, err := u.mirror.root.Lstat(p)
	if isGone(err) {
		return now, nil
	}
	if err != nil {
		return now, err
	}
	o, err := u.scanner.observe(p, stampOf(info), b, known)
	if err == nil {
		u.seen[p], now[conflict.Mirror] = o, o.Entry
	}
	return now, err
}

// turnBack adds to the plan what makes both sides hold what they held.
func (u *undoer) turnBack(t *turn, now, was [2]conflict.Entry) error {
	var steps []conflict.Action
	for side := range now {
		side := conflict.Side(side)
		if now[side].Same(was[side]) {
			continue
		}
		if was[side].Kind == conflict.File && was[side].Hash != now[side].Hash {
			if _, err := u.view.OpenHash(spacedb.Hash(was[side].Hash)); err != nil {
				return fmt.Errorf("what the %s held before the run: %w", side, err)
			}
		}
		a := conflict.Action{
			Path: t.path, Side: side, Expect: now[side], Source: now[1-side], Want: was[side], Content: conflict.History, Reason: fmt.Sprintf("undo of run %d", u.of.ID),
		}
		if u.mirror != nil {
			if b, known, err := u.base.at(t.path); err != nil {
				return err
			} else if known {
				a.Base = baseEntry(b)
			}
		}
		steps = append(steps, a.Steps()...)
	}
	u.plan.Actions = append(u.plan.Actions, steps...)
	switch {
	case u.mirror == nil:
	case !was[conflict.Space].Same(was[conflict.Mirror]):
		u.divide(t, was)
	default:
		u.joined = append(u.joined, t.path)
	}
	return nil
}

// divide has a path be apart: its base becomes what it was.
func (u *undoer) divide(t *turn, was [2]conflict.Entry) {
	u.divided[t.path] = spacedb.Apart{Path: t.path, Space: stateWith(was[conflict.Space], u.attributes), Mirror: stateWith(was[conflict.Mirror], u.attributes)}
	if t.base.Absent() {
		u.unbased = append(u.unbased, t.path)
		return
	}
	b := spacedb.BaseEntry{Path: t.path, Mode: t.base.Mode, SHA256: t.base.SHA256, Target: t.base.Target}
	if had := u.base.entries[t.path]; had.Mode == b.Mode { // how this filesystem shows that mode
		b.MirrorMode = had.MirrorMode
	}
	u.rebased = append(u.rebased, b)
	if u.inForce() && t.base.Attributes != nil {
		u.agreed[t.path] = *t.base.Attributes
	}
}
