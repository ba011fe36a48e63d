package spacedb

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// POSIX ACLs are two extended attributes, in the form in which the kernel passes
// them. The kernel reads them through us and decides who may; we keep them in
// step with the mode, and a new node's with its directory's.

const (
	AccessACL  = "system.posix_acl_access"
	DefaultACL = "system.posix_acl_default"
)

// aclEntry is one line of an ACL; the tags are the kernel's.
type aclEntry struct {
	tag, perm uint16
	id        uint32 // of a named user or group
}

const (
	aclVersion = 2
	aclHeader  = 4
	aclSize    = 8 // of an entry

	aclUserObj  = 0x01
	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
	aclOther    = 0x20
)

type acl []aclEntry

// parseACL refuses what is no ACL; finer points the kernel has seen to.
func parseACL(value []byte) (acl, error) {
	if len(value) < aclHeader || binary.LittleEndian.Uint32(value) != aclVersion || (len(value)-aclHeader)%aclSize != 0 {
		return nil, ErrInvalid
	}
	var a acl
	for rest := value[aclHeader:]; len(rest) > 0; rest = rest[aclSize:] {
		a = append(a, aclEntry{
			tag: binary.LittleEndian.Uint16(rest), perm: binary.LittleEndian.Uint16(rest[2:]), id: binary.LittleEndian.Uint32(rest[4:]),
		})
	}
	for _, tag := range []uint16{aclUserObj, aclGroupObj, aclOther} {
		if a.entry(tag) == nil {
			return nil, ErrInvalid
		}
	}
	if a.extended() && a.entry(aclMask) == nil {
		return nil, ErrInvalid
	}
	return a, nil
}

func (a acl) bytes() []byte {
	value := binary.LittleEndian.AppendUint32(nil, aclVersion)
	for _, e := range a {
		value = binary.LittleEndian.AppendUint16(value, e.tag)
		value = binary.LittleEndian.AppendUint16(value, e.perm)
		value = binary.LittleEndian.AppendUint32(value, e.id)
	}
	return value
}

func (a acl) entry(tag uint16) *aclEntry {
	if i := slices.IndexFunc(a, func(e aclEntry) bool { return e.tag == tag }); i >= 0 {
		return &a[i]
	}
	return nil
}

// extended: it says more than a mode can.
func (a acl) extended() bool {
	return slices.ContainsFunc(a, func(e aclEntry) bool { return e.tag&(aclUser|aclGroup|aclMask) != 0 })
}

// classes are the entries that a mode's three digits stand for: the group's is
// the mask, if there is one.
func (a acl) classes() [3]*aclEntry {
	group := a.entry(aclMask)
	if group == nil {
		group = a.entry(aclGroupObj)
	}
	return [3]*aclEntry{a.entry(aclUserObj), group, a.entry(aclOther)}
}

// mode is what the permission bits are under the ACL.
func (a acl) mode() (mode uint32) {
	for _, e := range a.classes() {
		mode = mode<<3 | uint32(e.perm&7)
	}
	return mode
}

// setMode is chmod.
func (a acl) setMode(mode uint32) {
	for i, e := range a.classes() {
		e.perm = uint16(mode >> (6 - 3*i) & 7)
	}
}

// getACL returns nil where there is none.
func (s *Store) getACL(n *node, name string) (acl, error) {
	if n.xattrs == 0 {
		return nil, nil
	}
	value, ok, err := s.xattrValue(n, name)
	if err != nil || !ok {
		return nil, err
	}
	return parseACL(value)
}

func (s *Store) defaultACL(dir NodeID) (acl, error) {
	d, err := s.node(dir)
	if err != nil {
		return nil, err
	}
	return s.getACL(d, DefaultACL)
}

// SetACL sets an ACL and, if it is the one for access, the mode. One that says
// no more than a mode is not kept. keepSetGID is false when who sets it is not in
// the group.
func (t *Tree) SetACL(id NodeID, name string, value []byte, keepSetGID bool) error {
	a, err := parseACL(value)
	if err != nil {
		return err
	}
	s := t.store
	err = t.change()
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	n, err := s.node(id)
	switch {
	case err != nil:
		return err
	case name == DefaultACL && !n.isDir():
		return ErrDenied
	}
	old, had, err := s.xattrValue(n, name)
	if err != nil {
		return err
	}
	value = a.bytes() // the caller's buffer is used again
	mode := n.mode
	if name == AccessACL {
		mode = mode&^0o777 | a.mode()
		if !keepSetGID {
			mode &^= 0o2000
		}
		if !a.extended() {
			value = nil
		}
	}
	if mode == n.mode && had == (value != nil) && bytes.Equal(old, value) {
		return nil // no change, as on ext4
	}
	bits := dirtyRow
	if mode != n.mode {
		bits |= dirtyJournal
	}
	was := n.mode
	n.ctime, n.mode = t.step(), mode
	t.touch(n, bits)
	if mode != was {
		t.renew(n)
	}
	return t.putXattr(n, name, value)
}

// RemoveACL leaves the mode as it is. That there was none is no error.
func (t *Tree) RemoveACL(id NodeID, name string) error {
	err := t.RemoveXattr(id, name)
	if err == ErrNoXattr {
		return nil
	}
	return err
}

// chmodACL keeps the ACL in step with a mode that was set.
func (t *Tree) chmodACL(n *node, mode uint32) error {
	a, err := t.store.getACL(n, AccessACL)
	if err != nil || a == nil {
		return err
	}
	a.setMode(mode)
	return t.putXattr(n, AccessACL, a.bytes())
}

// inheritACL gives a new node what its directory's default ACL says; without
// one the umask counts.
func (t *Tree) inheritACL(n *node, inherited acl, umask uint32) error {
	if inherited == nil {
		n.mode &^= umask & 0o777
		return nil
	}
	if n.isDir() {
		if err := t.putXattr(n, DefaultACL, inherited.bytes()); err != nil {
			return err
		}
	}
	own := slices.Clone(inherited)
	own.setMode(own.mode() & n.mode)
	n.mode = n.mode&^0o777 | own.mode()
	if !own.extended() {
		return nil
	}
	return t.putXattr(n, AccessACL, own.bytes())
}
