package spacedb

// Tmpfile makes a document without a name in a directory, as O_TMPFILE does. It
// lives as long as the kernel holds it, unless Link names it first: then it
// becomes part of the tree with everything that was written to it, in one step.
// Until then it is in no total, has no history, and does not survive a crash.
func (t *Tree) Tmpfile(parent NodeID, perm uint32, c Cred) (Attr, error) {
	s := t.store
	err := t.change()
	defer s.mu.Unlock()
	if err != nil {
		return Attr{}, err
	}
	d, err := s.node(parent)
	switch {
	case err != nil:
		return Attr{}, err
	case !d.isDir():
		return Attr{}, ErrNotDir
	case d.nlink == 0:
		return Attr{}, ErrNotFound
	}
	inherited, err := s.defaultACL(parent)
	if err != nil {
		return Attr{}, err
	}
	n := t.newNode(TypeRegular|perm&PermMask, t.step())
	n.inherit(d, c)
	if err := t.inheritACL(n, inherited, c.Umask); err != nil {
		return Attr{}, err
	}
	n.nameless = true
	delete(s.unsealed, n.id)
	t.retain(n)
	return n.attr(), nil
}

// join makes a nameless document one of the tree's.
func (t *Tree) join(n *node, now int64) {
	s := t.store
	n.nameless = false
	n.changed = now
	s.unsealed[n.id] = n
	s.usageNodes.Add(1)
	s.usageBytes.Add(n.size)
	t.touch(n, dirtyJournal)
}
