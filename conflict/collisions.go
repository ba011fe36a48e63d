package conflict

import (
	"fmt"
	"strings"
)

// A mirror's filesystem may take two names for one: README and readme, or two
// spellings of é. The space tells them apart. What cannot be beside each other in
// the mirror is a conflict of its own that no strategy ends: what is there stays,
// of two new ones the first is made, and the other stays in the space until
// somebody renames it.

// collisions takes out of the plan what would meet another name in the mirror.
func (r *reconciler) collisions() {
	if r.rules.Fold == nil {
		return
	}
	occupants := r.occupants()
	var out []string // paths that cannot be made, and nothing below them either
	keep := r.plan.Actions[:0:0]
	r.plan.Sort()
	for _, a := range r.plan.Actions {
		if a.Side != Mirror || a.Op == Adopt || a.Op == Remove {
			keep = append(keep, a)
			continue
		}
		if below(a.Path, out) {
			continue
		}
		folded := r.fold(a.Path)
		if by, taken := occupants[folded]; taken && by != a.Path {
			out = append(out, a.Path)
			r.plan.Conflicts = append(r.plan.Conflicts, Conflict{
				Path: a.Path, Kind: NameCollision, Base: r.base[a.Path], Space: r.space[a.Path], Mirror: r.mirror[by], Strategy: Manual,
			})
			r.plan.Left = append(r.plan.Left, Left{a.Path, fmt.Sprintf("the mirror's filesystem takes its name for that of %s", by)})
			continue
		}
		occupants[folded] = a.Path
		keep = append(keep, a)
	}
	r.plan.Actions = keep
}

// occupants are the mirror's paths that stay, by what its filesystem takes them
// for.
func (r *reconciler) occupants() map[string]string {
	removed := map[string]bool{}
	for _, a := range r.plan.Actions {
		if a.Side == Mirror && a.Op == Remove {
			removed[a.Path] = true
		}
	}
	by := map[string]string{}
	for p := range r.mirror {
		if !removed[p] {
			by[r.fold(p)] = p
		}
	}
	return by
}

// inTheWay: the mirror holds something else that its filesystem takes for p.
func (r *reconciler) inTheWay(p, except string) bool {
	if r.rules.Fold == nil {
		return false
	}
	for _, c := range r.children[parent(p)] {
		if c != p && c != except && r.mirror[c].Kind != Absent && r.fold(c) == r.fold(p) {
			return true
		}
	}
	return false
}

// fold is a path as the mirror's filesystem compares it: the directory as it is
// called, for it is one by now, and the name folded.
func (r *reconciler) fold(p string) string {
	if r.rules.Fold == nil {
		return p
	}
	dir, name := splitName(p)
	return dir + r.rules.Fold(name)
}

func below(p string, dirs []string) bool {
	for _, d := range dirs {
		if strings.HasPrefix(p, d+"/") {
			return true
		}
	}
	return false
}
