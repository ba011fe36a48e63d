package spacedb

import (
	"bytes"
	"sort"
)

// Extended attributes are few and rarely asked for: they are not kept in
// memory, but changes wait there for the next commit like everything else.

// MaxXattr is the largest value, in bytes, as on Linux.
const MaxXattr = 64 << 10

type xattrKey struct {
	node NodeID
	name string
}

// xattrValue returns the value as memory and file together say; ok is false
// when there is none.
func (s *Store) xattrValue(n *node, name string) (value []byte, ok bool, err error) {
	for _, r := range []*records{&s.pending, s.inFlight} {
		if r == nil {
			continue
		}
		if v, known := r.xattrs[xattrKey{n.id, name}]; known {
			return v, v != nil, nil
		}
	}
	if n.xattrs == 0 || !n.stored {
		return nil, false, nil
	}
	ok, err = s.meta.one(func(r row) error {
		value = append([]byte{}, r.bytes(0)...)
		return nil
	}, `SELECT value FROM xattr WHERE node = ? AND name = ?`, n.id, []byte(name))
	return value, ok, err
}

// GetXattr returns ErrNoXattr when there is no such attribute.
func (t *Tree) GetXattr(id NodeID, name string) ([]byte, error) {
	s := t.store
	s.lockTree()
	defer s.mu.Unlock()
	n, err := s.node(id)
	if err != nil {
		return nil, err
	}
	v, ok, err := s.xattrValue(n, name)
	if err == nil && !ok {
		err = ErrNoXattr
	}
	return v, err
}

// SetXattr sets an attribute; with XattrCreate it must not exist, with
// XattrReplace it must.
func (t *Tree) SetXattr(id NodeID, name string, value []byte, flags uint32) error {
	switch {
	case name == "" || len(name) > MaxName:
		return ErrRange
	case len(value) > MaxXattr:
		return ErrNoSpace
	}
	return t.changeXattr(id, name, func(had bool) ([]byte, error) {
		switch {
		case had && flags&XattrCreate != 0:
			return nil, ErrExist
		case !had && flags&XattrReplace != 0:
			return nil, ErrNoXattr
		}
		return append([]byte{}, value...), nil
	})
}

// RemoveXattr returns ErrNoXattr when there is nothing to remove.
func (t *Tree) RemoveXattr(id NodeID, name string) error {
	return t.changeXattr(id, name, func(had bool) ([]byte, error) {
		if !had {
			return nil, ErrNoXattr
		}
		return nil, nil
	})
}

// changeXattr sets the value that decide returns; nil removes it.
func (t *Tree) changeXattr(id NodeID, name string, decide func(had bool) ([]byte, error)) error {
	s := t.store
	err := t.change()
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	n, err := s.node(id)
	if err != nil {
		return err
	}
	old, had, err := s.xattrValue(n, name)
	if err != nil {
		return err
	}
	value, err := decide(had)
	if err != nil {
		return err
	}
	if had && value != nil && bytes.Equal(old, value) {
		return nil // no change, as on ext4
	}
	return t.setXattr(n, name, value)
}

// setXattr changes one, as others see it.
func (t *Tree) setXattr(n *node, name string, value []byte) error {
	n.ctime = t.step()
	t.touch(n, dirtyRow|dirtyJournal)
	if err := t.putXattr(n, name, value); err != nil {
		return err
	}
	t.store.watchers.tell(t.by, Change{Origin: t.by.Origin, Node: n.id, Parent: n.parent, Name: n.name, What: AttrChanged})
	return nil
}

// putXattr sets a value in memory; nil removes it.
func (t *Tree) putXattr(n *node, name string, value []byte) error {
	_, had, err := t.store.xattrValue(n, name)
	switch {
	case err != nil:
		return err
	case !had && value == nil:
		return nil
	case had && value == nil:
		n.xattrs--
	case !had:
		n.xattrs++
	}
	t.store.pending.setXattr(xattrKey{n.id, name}, value)
	t.touch(n, dirtyRow)
	return nil
}

// ListXattr returns the names, sorted.
func (t *Tree) ListXattr(id NodeID) ([]string, error) {
	s := t.store
	s.lockTree()
	defer s.mu.Unlock()
	n, err := s.node(id)
	if err != nil {
		return nil, err
	}
	return s.xattrNames(n)
}

func (s *Store) xattrNames(n *node) ([]string, error) {
	if n.xattrs == 0 {
		return nil, nil
	}
	names := map[string]bool{}
	err := s.meta.query(func(r row) error {
		names[r.text(0)] = true
		return nil
	}, `SELECT name FROM xattr WHERE node = ?`, n.id)
	for _, r := range []*records{s.inFlight, &s.pending} {
		if r == nil {
			continue
		}
		for k, v := range r.xattrs {
			if k.node == n.id {
				names[k.name] = v != nil
			}
		}
	}
	var list []string
	for name, there := range names {
		if there {
			list = append(list, name)
		}
	}
	sort.Strings(list)
	return list, err
}
