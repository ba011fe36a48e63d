package spacedb

import "strings"

// Tree is the tree as one actor sees and changes it. Every operation is one
// whole step: it happens entirely or not at all, also across a crash.
type Tree struct {
	store *Store
	by    Actor
}

// Tree returns the tree on behalf of an actor.
func (s *Store) Tree(by Actor) *Tree { return &Tree{store: s, by: by} }

// Store is the store the tree is in.
func (t *Tree) Store() *Store { return t.store }

// change begins an operation that changes the tree: with the lock held it
// says whether changes are accepted. While commits fail they are not: memory
// could only grow further from what the file can take.
func (t *Tree) change() error {
	s := t.store
	s.lockTree()
	switch {
	case s.closed:
		return ErrClosed
	case s.trouble != nil:
		return s.trouble
	}
	return nil
}

// step gives the change its place in the log and its time.
func (t *Tree) step() (now int64) {
	t.store.seq++
	return t.store.now()
}

// touch marks what of a node the next commit must write.
func (t *Tree) touch(n *node, bits dirtyBits) {
	s := t.store
	if n.dirty == 0 {
		s.dirty[n] = struct{}{}
		signal(s.wake)
	}
	n.dirty |= bits
	n.by, n.at = t.by, s.seq
	if bits&(dirtyJournal|dirtyEntries) != 0 {
		s.pulses.beat()
	}
}

func (t *Tree) retain(n *node) {
	if t.by.Retain {
		n.refs++
	}
}

// Forget gives back n references of the kernel. An orphan goes with its last.
func (t *Tree) Forget(id NodeID, count uint64) {
	s := t.store
	s.lockTree()
	defer s.mu.Unlock()
	n := s.nodes[id]
	if n == nil {
		s.references.forget(id, count)
		return
	}
	n.refs -= min(count, n.refs)
	t.release(n)
}

// Lookup finds name in a directory.
func (t *Tree) Lookup(parent NodeID, name string) (Attr, error) {
	s := t.store
	s.lockTree()
	defer s.mu.Unlock()
	d, err := s.node(parent)
	if err != nil {
		return Attr{}, err
	}
	n, err := s.child(d, name)
	if err != nil {
		return Attr{}, err
	}
	t.retain(n)
	return n.attr(), nil
}

// Resolve finds the node at a path; "" is the root. It follows no symlink and
// never retains.
func (t *Tree) Resolve(path string) (Attr, error) {
	s := t.store
	s.lockTree()
	defer s.mu.Unlock()
	n, err := s.walk(path)
	if err != nil {
		return Attr{}, err
	}
	return n.attr(), nil
}

func (s *Store) walk(path string) (*node, error) {
	n, err := s.node(Root)
	for rest := path; rest != "" && err == nil; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		n, err = s.child(n, name)
	}
	return n, err
}

// Attr returns a node's attributes. An orphan has them too.
func (t *Tree) Attr(id NodeID) (Attr, error) {
	s := t.store
	s.lockTree()
	defer s.mu.Unlock()
	n, err := s.node(id)
	if err != nil {
		return Attr{}, err
	}
	return n.attr(), nil
}

// Parent returns the directory that a directory is in; the root's is the root.
func (t *Tree) Parent(dir NodeID) (NodeID, error) {
	s := t.store
	s.lockTree()
	defer s.mu.Unlock()
	if dir == Root {
		return Root, nil
	}
	n, err := s.node(dir)
	if err != nil {
		return 0, err
	}
	if err := s.locate(n); err != nil {
		return 0, err
	}
	return n.parent, nil
}

// vacancy returns directory parent, ready to take a new entry called name.
func (s *Store) vacancy(parent NodeID, name string) (*node, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	d, err := s.node(parent)
	if err != nil {
		return nil, err
	}
	if d.isDir() && d.nlink == 0 {
		return nil, ErrNotFound // removed while somebody was in it
	}
	switch _, err := s.child(d, name); err {
	case nil:
		return nil, ErrExist
	case ErrNotFound:
		return d, nil
	default:
		return nil, err
	}
}

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
