package conflict

import (
	"maps"
	"sort"
	"strings"
)

// Moves come before everything else. What is gone from one path of a side and is
// new at another was moved there; the move is made on the other side as well, in
// its tree here and by an action there, and in the base. Then the three trees are
// reconciled as if the path had always been the new one: an edit made on either
// side meanwhile, of the file or of what is in the directory, comes along by
// itself, and nothing looks deleted.
//
// A path at which there is something again did not lose what it had: editors
// save by moving the old file aside, and history follows the path.

// carryMoves finds the moves of both sides. A one-way sync carries its source's.
func (r *reconciler) carryMoves() {
	if r.rules.NoMoves {
		return
	}
	for _, side := range []Side{Space, Mirror} {
		if source, oneWay := r.rules.Direction.source(); oneWay && side != source {
			continue
		}
		// A move can show another one: of what was in a directory, when that is done.
		for r.carryMovesOf(side) {
		}
	}
}

func (r *reconciler) carryMovesOf(side Side) (some bool) {
	for _, m := range r.findMoves(side) {
		some = r.carry(m) || some
	}
	return some
}

// move is what one side did.
type move struct {
	side     Side
	from, to string
}

// findMoves pairs what is gone with what is new: by identity, and files also by
// content. Directories come first, and of them the upper ones: what is in them
// moves along.
func (r *reconciler) findMoves(side Side) (found []move) {
	gone, arrived := r.goneAndNew(side)
	if len(gone) == 0 || len(arrived) == 0 {
		return nil
	}
	byID := map[uint64][]string{}
	byContent := map[Hash][]string{}
	for _, p := range gone {
		b := r.base[p]
		if id := b.id(side); id != 0 {
			byID[id] = append(byID[id], p)
		}
		if b.Kind == File && b.Size > 0 {
			byContent[b.Hash] = append(byContent[b.Hash], p)
		}
	}
	used := map[string]bool{}
	pair := func(q string, candidates []string) bool {
		best := ""
		for _, p := range candidates {
			if used[p] || r.base[p].Kind != r.on(side)[q].Kind {
				continue
			}
			if _, name := splitName(q); best == "" || strings.HasSuffix(p, "/"+name) && !strings.HasSuffix(best, "/"+name) {
				best = p
			}
		}
		if best == "" {
			return false
		}
		used[best] = true
		found = append(found, move{side, best, q})
		return true
	}
	var unpaired []string
	for _, q := range arrived {
		if id := r.on(side)[q].id(side); id == 0 || !pair(q, byID[id]) {
			unpaired = append(unpaired, q)
		}
	}
	for _, q := range unpaired {
		if e := r.on(side)[q]; e.Kind == File && e.Size > 0 {
			pair(q, byContent[e.Hash])
		}
	}
	sort.SliceStable(found, func(i, j int) bool {
		a, b := found[i], found[j]
		if dirA, dirB := r.base[a.from].Kind == Directory, r.base[b.from].Kind == Directory; dirA != dirB {
			return dirA
		}
		return a.from < b.from
	})
	return found
}

// goneAndNew lists, sorted, what a side had and what it got.
func (r *reconciler) goneAndNew(side Side) (gone, arrived []string) {
	for p, b := range r.base {
		if (b.Kind == File || b.Kind == Directory) && r.on(side)[p].Kind == Absent {
			gone = append(gone, p)
		}
	}
	if len(gone) == 0 {
		return nil, nil
	}
	for p, e := range r.on(side) {
		if (e.Kind == File || e.Kind == Directory) && r.base[p].Kind == Absent {
			arrived = append(arrived, p)
		}
	}
	sort.Strings(gone)
	sort.Strings(arrived)
	return gone, arrived
}

// carry makes a move on the other side, if that still has what was moved and
// nothing where it goes; otherwise it is a deletion and a creation like others.
func (r *reconciler) carry(m move) bool {
	here, there := r.on(m.side), m.side.other()
	other := r.on(there)
	switch {
	case here[m.from].Kind != Absent, r.base[m.from].Kind == Absent: // a directory took it along
		return false
	case other[m.from].Kind != here[m.to].Kind, other[m.to].Kind != Absent, r.base[m.to].Kind != Absent:
		return false
	case there == Mirror && r.inTheWay(m.to, m.from):
		return false
	case r.rules.Hold != nil && (r.rules.Hold(m.from) || r.rules.Hold(m.to)):
		return false
	}
	missing, ok := r.missingAbove(m)
	if !ok {
		return false
	}
	reason := "moved in the " + m.side.String()
	r.unshare()
	other = r.on(there)
	for _, d := range missing {
		e := r.on(m.side)[d]
		r.first = append(r.first, Action{Path: d, Op: Mkdir, Side: there, Source: e, Want: e, Reason: reason})
		r.base[d], other[d] = e, e
	}
	e := other[m.from]
	r.first = append(r.first, Action{
		Path: m.to, From: m.from, Op: Move, Side: there, Expect: e, Source: r.on(m.side)[m.to], Want: e, Base: r.base[m.from], Reason: reason,
	})
	r.relocate(m.from, m.to, r.base, other)
	return true
}

// missingAbove lists the directories, upper ones first, that a move needs on the
// other side: they are new where it was made.
func (r *reconciler) missingAbove(m move) (dirs []string, ok bool) {
	other := r.on(m.side.other())
	for d := parent(m.to); d != "" && other[d].Kind != Directory; d = parent(d) {
		if other[d].Kind != Absent || r.base[d].Kind != Absent || m.side == Space && r.inTheWay(d, d) {
			return nil, false
		}
		dirs = append([]string{d}, dirs...)
	}
	return dirs, true
}

// relocate moves a path, and all that is below it, in trees.
func (r *reconciler) relocate(from, to string, trees ...Tree) {
	for _, t := range trees {
		if e, ok := t[from]; ok {
			delete(t, from)
			t[to] = e
		}
	}
	r.addToIndex(to)
	for _, c := range r.children[from] {
		r.relocate(c, to+c[len(from):], trees...)
	}
}

// unshare copies the trees before the first move changes them: they are the
// caller's.
func (r *reconciler) unshare() {
	if !r.own {
		r.base, r.space, r.mirror, r.own = maps.Clone(r.base), maps.Clone(r.space), maps.Clone(r.mirror), true
	}
}

func parent(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}
