package spacedb

import (
	"fmt"
	"testing"
)

// Files that come and go all day must leave nothing in memory, although there is
// always room for a little more.
func TestContentThatWentLeavesNoPages(t *testing.T) {
	s, _ := newSpace(t, calm)
	tree := s.Tree(mount)
	save(t, tree, "stays", "x")
	for range 100 {
		id := save(t, tree, "f", "one").ID
		ok(t, s.Sync())
		overwrite(t, tree, id, "two")
		ok(t, s.Sync())
		save(t, tree, "g", "three")
		ok(t, tree.Rename(Root, "g", Root, "f", 0))
		ok(t, tree.Unlink(Root, "f"))
		ok(t, s.Seal(t.Context()))
		ok(t, s.Sync())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if pages := s.clean.pages.Len(); pages > 1 {
		t.Errorf("%d clean pages are kept for one document", pages)
	}
	if len(s.nodes) != 2 {
		t.Errorf("%d nodes are in memory", len(s.nodes))
	}
}

// Junk has no revisions, and is no reason to stay in memory for ever.
func TestJunkLeavesMemory(t *testing.T) {
	o := calm
	o.Nodes = 100
	s, _ := newSpace(t, o)
	tree := s.Tree(mount)
	for i := range 1000 {
		save(t, tree, fmt.Sprint("f", i, "~"), "x")
		if i%50 == 0 {
			ok(t, s.Sync())
			ok(t, s.Seal(t.Context()))
		}
	}
	s.mu.Lock()
	nodes := len(s.nodes)
	s.mu.Unlock()
	if nodes > 400 {
		t.Errorf("%d nodes are in memory", nodes)
	}
	if text := content(t, tree, must(tree.Resolve("f7~")).ID); text != "x" {
		t.Errorf("f7~ holds %q", text)
	}
}
