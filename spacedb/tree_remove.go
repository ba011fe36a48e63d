package spacedb

// Unlink removes the name of anything but a directory.
func (t *Tree) Unlink(parent NodeID, name string) error {
	s := t.store
	err := t.change()
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	d, err := s.node(parent)
	if err != nil {
		return err
	}
	n, err := s.child(d, name)
	if err != nil {
		return err
	}
	if n.isDir() {
		return ErrIsDir
	}
	return t.remove(d, name, n)
}

// Rmdir removes an empty directory.
func (t *Tree) Rmdir(parent NodeID, name string) error {
	s := t.store
	err := t.change()
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	d, err := s.node(parent)
	if err != nil {
		return err
	}
	n, err := s.child(d, name)
	if err != nil {
		return err
	}
	if err := s.removableDir(n); err != nil {
		return err
	}
	return t.remove(d, name, n)
}

func (s *Store) removableDir(n *node) error {
	if !n.isDir() {
		return ErrNotDir
	}
	empty, err := s.empty(n)
	if err == nil && !empty {
		err = ErrNotEmpty
	}
	return err
}

// remove takes the entry away and with the last one the node. The document's
// identity stays behind at the path, for whoever comes there next.
func (t *Tree) remove(d *node, name string, n *node) error {
	now := t.step()
	if err := t.leaveIdentity(n, d, name, now); err != nil {
		return err
	}
	t.unname(d, name, n, now)
	return nil
}

// unname is remove without a word about identity.
func (t *Tree) unname(d *node, name string, n *node, now int64) {
	t.leave(d, name, n)
	d.mtime, d.ctime = now, now
	n.ctime = now
	if n.isDir() {
		n.nlink = 0
		d.nlink--
	} else {
		n.nlink--
	}
	t.touch(n, dirtyRow)
	if n.nlink == 0 {
		t.store.usageNodes.Add(-1)
		if n.isRegular() {
			t.store.usageBytes.Add(-n.size)
		}
		t.release(n)
	}
}
