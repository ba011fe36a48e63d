package spacedb

import (
	"context"
	"testing"
)

func TestNamelessDocumentsJoinTheTreeWithTheirName(t *testing.T) {
	s, path := newSpace(t, calm)
	tr := s.Tree(Actor{Origin: OriginMount, Retain: true})
	before := s.Usage()
	named, lost := must(tr.Tmpfile(Root, 0o640, Cred{UID: 7})), must(tr.Tmpfile(Root, 0o600, Cred{}))
	for _, a := range []Attr{named, lost} {
		must(tr.WriteAt(a.ID, []byte("text"), 0))
	}
	ok(t, s.Sync())
	ok(t, s.Seal(context.Background()))
	if s.Usage() != before {
		t.Errorf("nothing is in the tree, and it holds %+v", s.Usage())
	}
	checked(t, s)
	a := must(tr.Link(named.ID, Root, "name"))
	if a.Nlink != 1 || a.UID != 7 || a.Size != 4 {
		t.Errorf("named it is %+v", a)
	}
	checked(t, s)
	tr.Forget(named.ID, 2)
	tr.Forget(lost.ID, 1)
	if _, err := tr.Link(lost.ID, Root, "late"); err != ErrNotFound {
		t.Errorf("what the kernel let go has a name: %v", err)
	}
	s = reopen(t, s, path, calm)
	tr = s.Tree(mount)
	if got := content(t, tr, must(tr.Resolve("name")).ID); got != "text" {
		t.Errorf("reads %q", got)
	}
	if u := s.Usage(); u.Nodes != before.Nodes+1 || u.Bytes != before.Bytes+4 {
		t.Errorf("the tree holds %+v", u)
	}
	h, err := s.History("name")
	if err != nil || len(h) != 1 {
		t.Errorf("history %v, %v", h, err)
	}
}

func TestUnlinkedDocumentsGetNoSecondLife(t *testing.T) {
	s, _ := newSpace(t, calm)
	tr := s.Tree(Actor{Origin: OriginMount, Retain: true})
	a := save(t, tr, "f", "text")
	ok(t, tr.Unlink(Root, "f"))
	if _, err := tr.Link(a.ID, Root, "again"); err != ErrNotFound {
		t.Errorf("link: %v", err)
	}
	d := must(tr.Mkdir(Root, "d", 0o755, Cred{}))
	ok(t, tr.Rmdir(Root, "d"))
	if _, err := tr.Tmpfile(d.ID, 0o600, Cred{}); err != ErrNotFound {
		t.Errorf("in a removed directory: %v", err)
	}
}
