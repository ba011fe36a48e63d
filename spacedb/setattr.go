package spacedb

// SetAttr changes attributes as chmod, chown, truncate and utimensat do. Who
// may do so is the kernel's question (default_permissions), not ours.
func (t *Tree) SetAttr(id NodeID, set AttrChange) (Attr, error) {
	if set.Size == nil {
		return t.setMeta(id, set)
	}
	switch size := *set.Size; {
	case size < 0:
		return Attr{}, ErrInvalid
	case size > MaxSize:
		return Attr{}, ErrTooLarge
	}
	if err := t.store.waitRoom(); err != nil {
		return Attr{}, err
	}
	var a Attr
	err := t.store.held(id, true, func(n *node) error {
		s := t.store
		if err := s.keepSeals(n); err != nil {
			return err
		}
		// What the new end falls into is the one chunk that changes in part.
		err := t.changeContent(n, *set.Size, *set.Size-*set.Size%chunkSize+chunkSize, false)
		defer s.mu.Unlock()
		switch {
		case err != nil:
			return err
		case n.isDir():
			return ErrIsDir
		case !n.isRegular():
			return ErrInvalid
		}
		now := t.step()
		t.truncate(n, *set.Size, now)
		if err := t.apply(n, set, now); err != nil {
			return err
		}
		a = n.attr()
		return nil
	})
	return a, err
}

func (t *Tree) setMeta(id NodeID, set AttrChange) (Attr, error) {
	s := t.store
	err := t.change()
	defer s.mu.Unlock()
	if err != nil {
		return Attr{}, err
	}
	n, err := s.node(id)
	if err != nil {
		return Attr{}, err
	}
	if err := t.apply(n, set, t.step()); err != nil {
		return Attr{}, err
	}
	return n.attr(), nil
}

// apply sets everything but the size.
func (t *Tree) apply(n *node, set AttrChange, now int64) error {
	if set.Mode != nil {
		if err := t.chmodACL(n, *set.Mode); err != nil {
			return err
		}
	}
	bits, was := dirtyRow, n.mode
	// A new owner does not inherit what the old one let the file do.
	if (set.DropSetID || set.UID != nil || set.GID != nil) && !n.isDir() {
		n.mode &^= setIDBits(n.mode)
	}
	if set.UID != nil || set.GID != nil {
		if set.UID != nil {
			n.uid = *set.UID
		}
		if set.GID != nil {
			n.gid = *set.GID
		}
	}
	if set.Mode != nil {
		n.mode = n.mode&TypeMask | *set.Mode&PermMask
		bits |= dirtyJournal
	}
	if set.Atime != nil {
		n.atime = *set.Atime
	}
	if set.Mtime != nil {
		n.mtime = *set.Mtime
	}
	n.ctime = now
	t.touch(n, bits)
	if n.mode != was {
		t.renew(n)
	}
	t.store.watchers.tell(t.by, Change{Origin: t.by.Origin, Node: n.id, Parent: n.parent, Name: n.name, What: AttrChanged})
	return nil
}

// setIDBits are the set-id bits that writing without privilege takes away.
func setIDBits(mode uint32) uint32 {
	bits := uint32(0o4000)
	if mode&0o010 != 0 { // without group execute it means mandatory locking
		bits |= 0o2000
	}
	return bits
}
