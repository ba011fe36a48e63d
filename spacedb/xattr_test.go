package spacedb

import "testing"

// An attribute goes with its node, also when the file never knew either.
func TestXattrsGoWithTheirNode(t *testing.T) {
	s, _ := newSpace(t, calm)
	tree := s.Tree(mount)
	for _, durable := range []bool{false, true} {
		a := save(t, tree, "f", "text")
		if durable {
			ok(t, s.Sync())
		}
		ok(t, tree.SetXattr(a.ID, "user.k", []byte("v"), 0))
		ok(t, tree.Unlink(Root, "f"))
		checked(t, s)
	}
}
