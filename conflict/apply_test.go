package conflict

import (
	"crypto/sha256"
	"fmt"
	"sort"
	"strings"
)

// world is what a plan is carried out on: the three trees, and the contents that
// the space's history has. It does what package materialize does, in memory.
type world struct {
	base, space, mirror Tree
	history             map[Hash]bool
	recorded            map[string]bool // attributes of what was there before an action, which runs keep
}

func newWorld(base, space, mirror Tree) *world {
	w := &world{base.clone(), space.clone(), mirror.clone(), map[Hash]bool{}, map[string]bool{}}
	// Whatever the space holds or held at a sync is sealed: it has revisions.
	for _, t := range []Tree{base, space} {
		for _, e := range t {
			w.history[e.Hash] = true
		}
	}
	return w
}

func (t Tree) clone() Tree {
	c := Tree{}
	for p, e := range t {
		c[p] = e
	}
	return c
}

func (w *world) on(s Side) Tree {
	if s == Space {
		return w.space
	}
	return w.mirror
}

// apply carries a plan out action by action, each of which must find what it
// expects, a directory to be in, and nothing below what it removes.
func (w *world) apply(p Plan) error {
	w.keepLosers(p)
	for _, a := range p.Actions {
		if err := w.act(a); err != nil {
			return fmt.Errorf("%s %s in the %s: %w", a.Op, a.Path, a.Side, err)
		}
	}
	return nil
}

// keepLosers: what the mirror loses is in history before anything is done.
func (w *world) keepLosers(p Plan) {
	for _, a := range p.Actions {
		if a.Side == Mirror && (a.Op == Write || a.Op == Link || a.Op == Remove) {
			w.history[a.Expect.Hash] = true
		}
	}
}

func (w *world) act(a Action) error {
	side := w.on(a.Side)
	if a.Op != Adopt {
		for name, value := range a.Expect.Attributes.All() {
			w.recorded[name+"="+value] = true
		}
	}
	if a.Op == Move {
		return w.move(a)
	}
	if !side[a.Path].Same(a.Expect) {
		return fmt.Errorf("it expects %v and finds %v", a.Expect, side[a.Path])
	}
	if a.Op == Adopt && !a.Expect.Same(a.Want) {
		return fmt.Errorf("adopts %v and wants %v", a.Expect, a.Want)
	}
	switch {
	case a.Op != Write:
	case a.Content == OtherSide && !w.on(a.Side.other())[a.Path].sameContent(a.Want):
		return fmt.Errorf("the other side has not got what it wants")
	case a.Content == History && !w.history[a.Want.Hash]:
		return fmt.Errorf("history has not got what it wants")
	}
	if a.Want.Kind == Absent {
		for p := range side {
			if strings.HasPrefix(p, a.Path+"/") {
				return fmt.Errorf("it still holds %s", p)
			}
		}
		delete(side, a.Path)
		delete(w.base, a.Path)
		return nil
	}
	if i := strings.LastIndexByte(a.Path, '/'); i > 0 && side[a.Path[:i]].Kind != Directory {
		return fmt.Errorf("it has no directory to be in")
	}
	if a.Expect.Kind == Directory && a.Want.Kind != Directory {
		return fmt.Errorf("it takes the place of a directory that is still there")
	}
	// A file that is written is another one; the base knows both sides'.
	e := a.Want
	if e.Node, e.Inode = 0, 0; a.Op == Adopt || a.Op == Chmod || a.Op == Metadata {
		e.Node, e.Inode = side[a.Path].Node, side[a.Path].Inode
	}
	e.Changed = max(e.Changed, side[a.Path].Changed)
	side[a.Path] = e
	e = a.Agreement()
	e.Node, e.Inode = w.space[a.Path].Node, w.mirror[a.Path].Inode
	w.base[a.Path] = e
	return nil
}

func (w *world) move(a Action) error {
	side := w.on(a.Side)
	if !side[a.From].Same(a.Expect) || !a.Expect.Same(a.Want) || side[a.Path].Kind != Absent {
		return fmt.Errorf("it expects %v and finds %v, and where it goes %v", a.Expect, side[a.From], side[a.Path])
	}
	if dir := parent(a.Path); dir != "" && side[dir].Kind != Directory {
		return fmt.Errorf("it has no directory to be in")
	}
	for _, t := range []Tree{side, w.base} {
		rename(t, a.From, a.Path)
	}
	return nil
}

func rename(t Tree, from, to string) {
	for p, e := range t.clone() {
		if p == from || strings.HasPrefix(p, from+"/") {
			delete(t, p)
			t[to+p[len(from):]] = e
		}
	}
}

// vanished is every content that was there before and is nowhere now.
func (w *world) vanished(before ...Tree) (lost []string) {
	have := map[Hash]bool{{}: true}
	for _, t := range []Tree{w.space, w.mirror} {
		for _, e := range t {
			have[e.Hash] = true
		}
	}
	for _, t := range before {
		for p, e := range t {
			if !have[e.Hash] && !w.history[e.Hash] {
				lost = append(lost, p)
			}
		}
	}
	return lost
}

// vanishedAttributes are those that a side had and that are neither anywhere now
// nor in a record.
func (w *world) vanishedAttributes(space, mirror Tree) (lost []string) {
	have := map[string]bool{}
	for _, t := range []Tree{w.space, w.mirror} {
		for _, e := range t {
			for name, value := range e.Attributes.All() {
				have[name+"="+value] = true
			}
		}
	}
	for _, t := range []Tree{space, mirror} {
		for p, e := range t {
			for name, value := range e.Attributes.All() {
				if a := name + "=" + value; !have[a] && !w.recorded[a] {
					lost = append(lost, p+" "+a)
				}
			}
		}
	}
	return lost
}

// text is a tree as a test can compare and a person can read it.
func (t Tree) text() string {
	var lines []string
	for p, e := range t {
		lines = append(lines, fmt.Sprintf("%s %s %o %x %s %q", p, e.Kind, e.Mode, e.Hash[:2], e.Target, e.Attributes.Map()))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

func file(text string, mtime int64) Entry {
	return Entry{Kind: File, Mode: 0o644, Hash: sha256.Sum256([]byte(text)), Size: int64(len(text)), Mtime: mtime}
}

func directory(mtime int64) Entry { return Entry{Kind: Directory, Mode: 0o755, Mtime: mtime} }

func (t Tree) paths() (list []string) {
	for p := range t {
		list = append(list, p)
	}
	sort.Strings(list)
	return list
}
