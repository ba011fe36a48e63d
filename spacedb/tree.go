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
