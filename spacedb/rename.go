package spacedb

// Rename moves what oldName in oldParent names to newName in newParent, over
// what is there, as renameat2(2) does.
//
// A document's identity follows the path (document.go).
func (t *Tree) Rename(oldParent NodeID, oldName string, newParent NodeID, newName string, flags uint32) error {
	if flags&^(RenameNoReplace|RenameExchange) != 0 || flags == RenameNoReplace|RenameExchange {
		return ErrInvalid
	}
	if err := checkName(newName); err != nil {
		return err
	}
	s := t.store
	err := t.change()
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	from, err := s.node(oldParent)
	if err != nil {
		return err
	}
	n, err := s.child(from, oldName)
	if err != nil {
		return err
	}
	to, err := s.node(newParent)
	if err != nil {
		return err
	}
	if to.isDir() && to.nlink == 0 {
		return ErrNotFound
	}
	target, err := s.child(to, newName)
	if err != nil && err != ErrNotFound {
		return err
	}
	if err := s.within(n, to); err != nil {
		return err
	}
	if flags == RenameExchange {
		return t.exchange(from, oldName, n, to, newName, target)
	}
	switch {
	case target == n: // two names of one node: POSIX leaves both
		return nil
	case target == nil:
	case flags == RenameNoReplace:
		return ErrExist
	case n.isDir():
		if !target.isDir() {
			return ErrNotDir
		}
		if err := s.removableDir(target); err != nil {
			return err
		}
	case target.isDir():
		return ErrIsDir
	}
	return t.move(from, oldName, n, to, newName, target)
}

// move renames, when everything that could forbid it has been looked at.
func (t *Tree) move(from *node, oldName string, n, to *node, newName string, target *node) error {
	now := t.step()
	carried := n.document
	if err := t.carryIdentity(n, from, oldName, to, newName, target, now); err != nil {
		return err
	}
	if target != nil {
		t.unname(to, newName, target, now)
	}
	from.lapse(oldName, n, carried)
	t.leave(from, oldName, n)
	t.enter(to, newName, n)
	if n.isDir() && from != to {
		from.nlink--
		to.nlink++
	}
	from.mtime, from.ctime = now, now
	to.mtime, to.ctime = now, now
	n.ctime = now
	t.touch(n, dirtyRow)
	return nil
}

// within refuses to move a directory into itself.
func (s *Store) within(n, to *node) error {
	if !n.isDir() {
		return nil
	}
	for d := to; ; {
		if d == n {
			return ErrInvalid
		}
		if d.id == Root {
			return nil
		}
		if err := s.locate(d); err != nil {
			return err
		}
		up, err := s.node(d.parent)
		if err != nil {
			return err
		}
		d = up
	}
}

// exchange swaps what two names mean.
func (t *Tree) exchange(from *node, oldName string, n *node, to *node, newName string, target *node) error {
	s := t.store
	if target == nil {
		return ErrNotFound
	}
	if err := s.within(target, from); err != nil {
		return err
	}
	if n == target {
		return nil
	}
	now := t.step()
	from.lapse(oldName, n, n.document)
	to.lapse(newName, target, target.document)
	if n.holdsContent() && target.holdsContent() {
		n.history, target.history = target.history, n.history
	}
	for _, swapped := range []*node{n, target} {
		if swapped.isDir() && s.junkName(oldName) != s.junkName(newName) {
			s.sweep = true // what is below changed its nature
		}
		if swapped.holdsContent() {
			swapped.kept = swapped.kept || swapped.sealed
			t.unseal(swapped, now)
		}
	}
	swap := func(d *node, name string, was, is *node) {
		d.dir.entries[name] = is.id
		is.parent, is.name = d.id, name
		t.entryChanged(d, name)
		d.mtime, d.ctime = now, now
		is.ctime = now
		t.touch(is, dirtyRow)
		s.watchers.tell(t.by, Change{Origin: t.by.Origin, Node: is.id, Parent: d.id, Name: name, What: EntryAdded})
	}
	swap(from, oldName, n, target)
	swap(to, newName, target, n)
	if from != to && n.isDir() != target.isDir() {
		if n.isDir() {
			from.nlink--
			to.nlink++
		} else {
			from.nlink++
			to.nlink--
		}
	}
	return nil
}
