package spacedb

import (
	"spacefs/internal/attributes"
)

// ChangeXattrs changes extended attributes of what is at path, all of them or,
// with ErrChanged, none: when one is not what it is expected to be.
func (t *Tree) ChangeXattrs(path string, expect Guard, changes []attributes.Change) (Attr, error) {
	s := t.store
	for _, c := range changes {
		switch {
		case c.Name == "" || len(c.Name) > MaxName:
			return Attr{}, ErrRange
		case c.New != nil && len(*c.New) > MaxXattr:
			return Attr{}, ErrNoSpace
		}
	}
	_, _, n, err := t.at(path, expect)
	defer s.mu.Unlock()
	if err == nil && n == nil {
		err = ErrNotFound
	}
	if err != nil {
		return Attr{}, err
	}
	for _, c := range changes {
		value, had, err := s.xattrValue(n, c.Name)
		if err != nil {
			return Attr{}, err
		}
		if had != (c.Old != nil) || had && string(value) != *c.Old {
			return Attr{}, ErrChanged
		}
	}
	for _, c := range changes {
		var value []byte
		if c.New != nil {
			value = append([]byte{}, *c.New...)
		}
		if err := t.setXattr(n, c.Name, value); err != nil {
			return Attr{}, err
		}
	}
	return n.attr(), nil
}

// inheritXattrs gives a document that takes another one's place its extended
// attributes. An ACL goes with the mode, which is another matter.
func (t *Tree) inheritXattrs(from, to *node) error {
	if !from.isRegular() || !to.isRegular() {
		return nil
	}
	names, err := t.store.xattrNames(from)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == AccessACL || name == DefaultACL {
			continue
		}
		value, had, err := t.store.xattrValue(from, name)
		if err != nil {
			return err
		}
		if had {
			if err := t.putXattr(to, name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// Xattrs are the extended attributes of a node whose names are wanted.
func (v *Snapshot) Xattrs(id NodeID, wanted func(name string) bool) (attributes.Set, error) {
	values := map[string]string{}
	err := v.conn.query(func(r row) error {
		if name := r.text(0); name != "" && wanted(name) {
			values[name] = r.text(1)
		}
		return nil
	}, `SELECT name, value FROM xattr WHERE node = ?`, id)
	return attributes.Of(values), err
}

// Xattrs are those of a node now.
func (t *Tree) Xattrs(id NodeID, wanted func(name string) bool) (attributes.Set, error) {
	s := t.store
	s.lockTree()
	defer s.mu.Unlock()
	n, err := s.node(id)
	if err != nil {
		return "", err
	}
	names, err := s.xattrNames(n)
	values := map[string]string{}
	for _, name := range names {
		if err != nil || !wanted(name) {
			continue
		}
		var value []byte
		var had bool
		if value, had, err = s.xattrValue(n, name); had {
			values[name] = string(value)
		}
	}
	return attributes.Of(values), err
}

// MetadataState is whether the extended attributes of a mirror are synced.
type MetadataState uint8

const (
	MetadataOff     MetadataState = iota
	MetadataWanted                // and the mirror's filesystem has none
	MetadataInForce               // the base has what was agreed on
)

// SetMetadata turns it on or off. Whichever it is, nothing is agreed on then;
// when it comes into force, everything in the mirror looks different once.
func (s *Store) SetMetadata(mirror int64, to MetadataState) error {
	statements := []statement{
		{`UPDATE mirror SET metadata = ? WHERE id = ?`, []any{int64(to), mirror}},
		{`DELETE FROM base_xattr WHERE mirror = ?`, []any{mirror}},
	}
	if to == MetadataInForce {
		statements = append(statements, statement{`UPDATE mirror SET seq = 0 WHERE id = ?`, []any{mirror}},
			statement{`UPDATE base SET m_ctime = 0 WHERE mirror = +?`, []any{mirror}})
	}
	return s.record(statements...)
}

// BaseXattrs are the attributes that were agreed on for a path.
func (v *Snapshot) BaseXattrs(mirror int64, path string) (set attributes.Set, err error) {
	_, err = v.conn.one(func(r row) error {
		set, err = attributes.Parse(r.text(0))
		return err
	}, `SELECT xattrs FROM base_xattr WHERE mirror = ? AND path = ?`, mirror, []byte(path))
	if err != nil {
		err = damaged("the attributes agreed on for %q: %v", path, err)
	}
	return set, err
}

// baseXattrStatements keep the attributes agreed on in step with the base: what
// is in set is set, "" is none.
func baseXattrStatements(mirror int64, set map[string]attributes.Set, remove []string) (list []statement) {
	gone := func(path string) {
		list = append(list, statement{`DELETE FROM base_xattr WHERE mirror = ? AND path = ?`, []any{mirror, []byte(path)}})
	}
	for _, p := range remove {
		gone(p)
	}
	for p, a := range set {
		if a == "" {
			gone(p)
		} else {
			list = append(list, statement{`REPLACE INTO base_xattr (mirror, path, xattrs) VALUES (?, ?, ?)`, []any{mirror, []byte(p), []byte(a)}})
		}
	}
	return list
}
