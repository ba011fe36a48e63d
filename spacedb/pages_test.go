package spacedb

import "testing"

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
