package spacedb

import "testing"

// An ACL of a named user, and one that says no more than a mode.
var (
	extendedACL = acl{{tag: aclUserObj, perm: 6, id: 1<<32 - 1}, {tag: aclUser, perm: 7, id: 7}, {tag: aclGroupObj, perm: 4, id: 1<<32 - 1},
		{tag: aclMask, perm: 6, id: 1<<32 - 1}, {tag: aclOther, perm: 1, id: 1<<32 - 1}}.bytes()
	plainACL = acl{{tag: aclUserObj, perm: 6}, {tag: aclGroupObj, perm: 4}, {tag: aclOther, perm: 1}}.bytes()
)

func TestACLAndModeAgree(t *testing.T) {
	s, path := newSpace(t, calm)
	tr := s.Tree(mount)
	a := save(t, tr, "f", "")
	ok(t, tr.SetACL(a.ID, AccessACL, extendedACL, true))
	if got := must(tr.Attr(a.ID)).Perm(); got != 0o661 {
		t.Errorf("the mode is %o", got)
	}
	mode := uint32(0o2750)
	must(tr.SetAttr(a.ID, AttrChange{Mode: &mode}))
	s = reopen(t, s, path, calm)
	tr = s.Tree(mount)
	got := must(parseACL(must(tr.GetXattr(a.ID, AccessACL))))
	if got.mode() != 0o750 || got.entry(aclUser).perm != 7 || got.entry(aclGroupObj).perm != 4 {
		t.Errorf("after chmod the ACL is %v", got)
	}
	ok(t, tr.SetACL(a.ID, AccessACL, plainACL, false))
	if _, err := tr.GetXattr(a.ID, AccessACL); err != ErrNoXattr {
		t.Errorf("what is no more than a mode is kept: %v", err)
	}
	if got := must(tr.Attr(a.ID)).Perm(); got != 0o641 {
		t.Errorf("the mode is %o, setgid goes with who is not in the group", got)
	}
	ok(t, tr.RemoveACL(a.ID, AccessACL))
}

func TestDefaultACLsAreInherited(t *testing.T) {
	s, _ := newSpace(t, calm)
	tr := s.Tree(mount)
	who := Cred{Umask: 0o077}
	d := must(tr.Mkdir(Root, "d", 0o777, who))
	if d.Perm() != 0o700 {
		t.Errorf("without one the umask counts: %o", d.Perm())
	}
	ok(t, tr.SetACL(d.ID, DefaultACL, extendedACL, true))
	f := must(tr.Mknod(d.ID, "f", TypeRegular|0o644, 0, who))
	sub := must(tr.Mkdir(d.ID, "sub", 0o755, who))
	if f.Perm() != 0o640 || sub.Perm() != 0o641 {
		t.Errorf("modes %o and %o", f.Perm(), sub.Perm())
	}
	if a := must(parseACL(must(tr.GetXattr(f.ID, AccessACL)))); a.entry(aclMask).perm != 4 || a.entry(aclUser).perm != 7 {
		t.Errorf("f has %v", a)
	}
	if got := must(tr.GetXattr(sub.ID, DefaultACL)); string(got) != string(extendedACL) {
		t.Errorf("sub passes %x on", got)
	}
	// What does not come through the mount has the mode it is given.
	if p := must(tr.PlaceDir("d/placed", Guard{Absent: true}, 0o755, 1)); p.Perm() != 0o755 {
		t.Errorf("placed with mode %o", p.Perm())
	}
}

func TestWhatIsNoACLIsRefused(t *testing.T) {
	s, _ := newSpace(t, calm)
	tr := s.Tree(mount)
	a := save(t, tr, "f", "")
	for what, value := range map[string][]byte{
		"nothing": nil, "another version": {3, 0, 0, 0}, "half an entry": append([]byte{2, 0, 0, 0}, 1, 0, 0, 0),
		"no entries": {2, 0, 0, 0}, "a named user and no mask": acl{{tag: aclUserObj}, {tag: aclUser}, {tag: aclGroupObj}, {tag: aclOther}}.bytes(),
	} {
		if err := tr.SetACL(a.ID, AccessACL, value, true); err != ErrInvalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := tr.SetACL(a.ID, DefaultACL, plainACL, true); err != ErrDenied {
		t.Errorf("a default ACL of a file: %v", err)
	}
}
