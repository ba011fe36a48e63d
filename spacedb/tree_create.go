package spacedb

import "strings"

// create makes a node and its entry.
func (t *Tree) create(parent NodeID, name string, mode, rdev uint32, c Cred) (*node, error) {
	d, err := t.store.vacancy(parent, name)
	if err != nil {
		return nil, err
	}
	now := t.step()
	n := t.newNode(mode, now)
	n.nlink, n.rdev = 1, rdev
	n.inherit(d, c)
	if n.isDir() {
		n.nlink = 2
		d.nlink++
	}
	if err := t.reclaim(d, name, n, now); err != nil {
		return nil, err
	}
	t.store.usageNodes.Add(1)
	t.enter(d, name, n)
	d.mtime, d.ctime = now, now
	return n, nil
}

// inherit gives a node that is made in d its owner and group. A setgid
// directory passes its group on; the kernel leaves that to us.
func (n *node) inherit(d *node, c Cred) {
	n.uid, n.gid = c.UID, c.GID
	if d.mode&0o2000 != 0 {
		n.gid = d.gid
		if n.isDir() {
			n.mode |= 0o2000
		}
	}
}

// newNode makes a node with no entry.
func (t *Tree) newNode(mode uint32, now int64) *node {
	s := t.store
	s.last.node++
	n := &node{
		id: s.last.node, mode: mode, atime: now, mtime: now, ctime: now, btime: now,
		version: s.seq, changed: now, extents: map[int64]int64{}, used: true, wroteBy: t.by,
	}
	if n.isDir() {
		n.dir = &directory{entries: map[string]NodeID{}, complete: true}
	}
	s.nodes[n.id] = n
	if n.holdsContent() {
		s.unsealed[n.id] = n
	}
	t.touch(n, dirtyRow)
	return n
}

// Mknod makes a document or special file; mode has the type.
func (t *Tree) Mknod(parent NodeID, name string, mode, rdev uint32, c Cred) (Attr, error) {
	switch mode & TypeMask {
	case TypeRegular, TypeFIFO, TypeSocket, TypeChar, TypeBlock:
	default:
		return Attr{}, ErrInvalid
	}
	return t.add(parent, name, mode, rdev, c)
}

// Mkdir makes a directory.
func (t *Tree) Mkdir(parent NodeID, name string, perm uint32, c Cred) (Attr, error) {
	return t.add(parent, name, TypeDir|perm&PermMask, 0, c)
}

func (t *Tree) add(parent NodeID, name string, mode, rdev uint32, c Cred) (Attr, error) {
	err := t.change()
	defer t.store.mu.Unlock()
	if err != nil {
		return Attr{}, err
	}
	inherited, err := t.store.defaultACL(parent)
	if err != nil {
		return Attr{}, err
	}
	n, err := t.create(parent, name, mode, rdev, c)
	if err != nil {
		return Attr{}, err
	}
	if err := t.inheritACL(n, inherited, c.Umask); err != nil {
		return Attr{}, err
	}
	t.retain(n)
	return n.attr(), nil
}

// Symlink makes a symlink. The target is not looked at.
func (t *Tree) Symlink(parent NodeID, name, target string, c Cred) (Attr, error) {
	if err := checkTarget(target); err != nil {
		return Attr{}, err
	}
	err := t.change()
	defer t.store.mu.Unlock()
	if err != nil {
		return Attr{}, err
	}
	n, err := t.create(parent, name, TypeSymlink|0o777, 0, c)
	if err != nil {
		return Attr{}, err
	}
	t.setTarget(n, target)
	t.retain(n)
	return n.attr(), nil
}

func checkTarget(target string) error {
	switch {
	case target == "" || strings.IndexByte(target, 0) >= 0:
		return ErrInvalid
	case len(target) > MaxTarget:
		return ErrNameTooLong
	}
	return nil
}

// Link gives a node another name.
func (t *Tree) Link(id, parent NodeID, name string) (Attr, error) {
	s := t.store
	err := t.change()
	defer s.mu.Unlock()
	if err != nil {
		return Attr{}, err
	}
	n, err := s.node(id)
	switch {
	case err != nil:
		return Attr{}, err
	case n.isDir():
		return Attr{}, ErrPermission
	case n.nlink == 0 && !n.nameless:
		return Attr{}, ErrNotFound
	case n.nlink >= MaxLinks:
		return Attr{}, ErrTooManyLink
	}
	d, err := s.vacancy(parent, name)
	if err != nil {
		return Attr{}, err
	}
	now := t.step()
	if err := t.linkIdentity(n, d, name, now); err != nil {
		return Attr{}, err
	}
	if n.nameless {
		t.join(n, now)
	}
	if n.holdsContent() && !n.sealed {
		s.unsealed[n.id] = n // it may have been left as junk, under its other name
	}
	n.nlink++
	n.ctime = now
	t.touch(n, dirtyRow)
	t.enter(d, name, n)
	d.mtime, d.ctime = now, now
	t.retain(n)
	return n.attr(), nil
}
