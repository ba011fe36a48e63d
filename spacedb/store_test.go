package spacedb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// newSpace creates a space whose committer and sealer leave it alone unless
// asked, and checks it when the test ends.
func newSpace(t *testing.T, o Options) (*Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.space")
	s, err := Create(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !s.isClosed() {
			checked(t, s)
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		for _, leftover := range []string{path + ".lock", path + "-wal", path + ".new"} {
			if _, err := os.Stat(leftover); err == nil {
				t.Errorf("%s was left behind", filepath.Base(leftover))
			}
		}
	})
	return s, path
}

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// calm keeps background work away, so that a test decides what happens when.
var calm = Options{Quiet: time.Hour, Delay: time.Hour}

func checked(t *testing.T, s *Store) {
	t.Helper()
	findings, err := s.Check(context.Background())
	if err != nil {
		t.Errorf("check: %v", err)
	}
	for _, f := range findings {
		t.Errorf("check: %s", f)
	}
}

func reopen(t *testing.T, s *Store, path string, o Options) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !s.isClosed() {
			checked(t, s)
			s.Close()
		}
	})
	return s
}

var mount = Actor{Origin: OriginMount}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func save(t *testing.T, tr *Tree, path, text string) Attr {
	t.Helper()
	dir, name := splitPath(path)
	d := must(tr.Resolve(dir))
	a, err := tr.Mknod(d.ID, name, TypeRegular|0o644, 0, Cred{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.WriteAt(a.ID, []byte(text), 0); err != nil {
		t.Fatal(err)
	}
	return must(tr.Attr(a.ID))
}

func overwrite(t *testing.T, tr *Tree, id NodeID, text string) {
	t.Helper()
	zero := int64(0)
	if _, err := tr.SetAttr(id, AttrChange{Size: &zero}); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.WriteAt(id, []byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, tr *Tree, id NodeID) string {
	t.Helper()
	a := must(tr.Attr(id))
	p := make([]byte, a.Size)
	n, err := tr.ReadAt(id, p, 0)
	if err != nil || n != len(p) {
		t.Fatalf("read %d of %d: %v", n, len(p), err)
	}
	return string(p)
}

func TestContentSurvivesReopening(t *testing.T) {
	s, path := newSpace(t, calm)
	tr := s.Tree(mount)
	dir := must(tr.Mkdir(Root, "notes", 0o755, Cred{}))
	save(t, tr, "notes/a.md", "alpha")
	big := bytes.Repeat([]byte("0123456789"), 50_000)
	save(t, tr, "notes/big", string(big))
	save(t, tr, "notes/empty", "")
	must(tr.Symlink(dir.ID, "link", "a.md", Cred{}))
	s = reopen(t, s, path, calm)
	tr = s.Tree(mount)
	for name, want := range map[string]string{"notes/a.md": "alpha", "notes/big": string(big), "notes/empty": ""} {
		if got := content(t, tr, must(tr.Resolve(name)).ID); got != want {
			t.Errorf("%s has %d bytes, want %d", name, len(got), len(want))
		}
	}
	if got := must(tr.Readlink(must(tr.Resolve("notes/link")).ID)); got != "a.md" {
		t.Errorf("link points to %q", got)
	}
	if u := s.Usage(); u.Nodes != 6 || u.Bytes != int64(len(big))+5 {
		t.Errorf("usage is %+v", u)
	}
}

func orDie(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func revisionText(t *testing.T, s *Store, path, rev string) string {
	t.Helper()
	r, _, err := s.OpenRevision(path, rev)
	orDie(t, err)
	defer r.Close()
	return string(must(io.ReadAll(r)))
}

func TestRemovedDocumentsCanBeRead(t *testing.T) {
	s, path := newSpace(t, calm)
	tr := s.Tree(mount)
	save(t, tr, "f", "kept")
	orDie(t, s.Sync()) // durable, but never sealed
	orDie(t, tr.Unlink(Root, "f"))
	orDie(t, s.Seal(context.Background()))
	if got := revisionText(t, s, "f", "1"); got != "kept" {
		t.Errorf("revision 1 is %q", got)
	}
	if _, _, err := s.OpenRevision("f", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("content now: %v", err)
	}
	s = reopen(t, s, path, calm)
	if got := revisionText(t, s, "f", "1"); got != "kept" {
		t.Errorf("after reopening, revision 1 is %q", got)
	}
}

func TestShortLivedFilesLeaveNoTrace(t *testing.T) {
	s, _ := newSpace(t, calm)
	tr := s.Tree(mount)
	orDie(t, s.Sync())
	before := s.Status()
	for range 100 {
		save(t, tr, "tmp", "x")
		orDie(t, tr.Unlink(Root, "tmp"))
	}
	orDie(t, s.Sync())
	if n := countRows(t, s, "node"); n != 1 {
		t.Errorf("%d nodes in the file", n)
	}
	if s.Status().DirtyBytes != 0 || before.Usage != s.Usage() {
		t.Errorf("status %+v", s.Status())
	}
}

func countRows(t *testing.T, s *Store, table string) (n int64) {
	t.Helper()
	orDie(t, s.reading(func(c *conn) error {
		_, err := c.one(func(r row) error { n = r.int(0); return nil }, "SELECT count(*) FROM "+table)
		return err
	}))
	return n
}

func TestOrphansLiveUntilForgotten(t *testing.T) {
	s, _ := newSpace(t, calm)
	tr := s.Tree(Actor{Origin: OriginMount, Retain: true})
	a := save(t, tr, "f", "still here")
	orDie(t, s.Sync())
	orDie(t, tr.Unlink(Root, "f"))
	orDie(t, s.Sync())
	if got := content(t, tr, a.ID); got != "still here" {
		t.Errorf("orphan reads %q", got)
	}
	tr.Forget(a.ID, 1)
	orDie(t, s.Seal(context.Background()))
	orDie(t, s.Sync())
	if _, err := tr.Attr(a.ID); err != ErrNotFound {
		t.Errorf("after forget: %v", err)
	}
}

func TestConflictLosersAreKept(t *testing.T) {
	s, _ := newSpace(t, calm)
	tr := s.Tree(Actor{Origin: OriginSync, Run: 7})
	save(t, tr, "f", "winner")
	orDie(t, s.Seal(context.Background()))
	for path, want := range map[string]int{"f": 2, "gone/away": 1} {
		_, err := tr.Keep(path, TypeRegular|0o600, 1, bytes.NewReader([]byte("loser")))
		orDie(t, err)
		list, err := s.History(path)
		orDie(t, err)
		if len(list) != want || !list[0].Lost || list[0].Run != 7 {
			t.Fatalf("%s: %+v", path, list)
		}
		if got := revisionText(t, s, path, "1"); path == "gone/away" && got != "loser" {
			t.Errorf("%s@1 is %q", path, got)
		}
	}
	if got := content(t, tr, must(tr.Resolve("f")).ID); got != "winner" {
		t.Errorf("f is %q", got)
	}
}

func TestPlaceReplacesWhatTheGuardNames(t *testing.T) {
	s, _ := newSpace(t, calm)
	tr := s.Tree(Actor{Origin: OriginSync})
	place := func(text string, g Guard) (Attr, error) {
		st := tr.Stage()
		defer st.Discard()
		must(st.Write([]byte(text)))
		return tr.Place("f", g, st, 0o640, 42)
	}
	a, err := place("one", Guard{Absent: true})
	orDie(t, err)
	if a.Mtime != 42 || a.Perm() != 0o640 {
		t.Errorf("attr %+v", a)
	}
	if _, err := place("two", Guard{Absent: true}); !errors.Is(err, ErrChanged) {
		t.Errorf("absent guard: %v", err)
	}
	overwrite(t, tr, a.ID, "edited meanwhile")
	if _, err := place("two", GuardOf(a)); !errors.Is(err, ErrChanged) {
		t.Errorf("stale guard: %v", err)
	}
	orDie(t, s.Seal(context.Background()))
	orDie(t, s.Sync())
	_, err = place("two", GuardOf(must(tr.Resolve("f"))))
	orDie(t, err)
	list, err := s.History("f")
	orDie(t, err)
	if len(list) != 3 || list[0].SHA256 == list[1].SHA256 {
		t.Errorf("history %+v", list)
	}
}

// A file that nothing durable knows of may go while its content is hashed; it
// leaves no document behind that is nowhere.
func TestWhatGoesWhileItIsHashedLeavesNoDocument(t *testing.T) {
	s, _ := newSpace(t, calm)
	tree := s.Tree(mount)
	content := make([]byte, 4<<20)
	for range 10 {
		a := must(tree.Mknod(Root, "short", TypeRegular|0o644, 0, Cred{}))
		must(tree.WriteAt(a.ID, content, 0))
		sealed := make(chan error)
		go func() { sealed <- s.Seal(context.Background()) }()
		time.Sleep(time.Millisecond)
		ok(t, tree.Unlink(Root, "short"))
		ok(t, <-sealed)
		checked(t, s)
	}
}

func TestWhatASpecialFileReplacesStaysInHistory(t *testing.T) {
	s, _ := newSpace(t, calm)
	tree := s.Tree(mount)
	a := must(tree.Mknod(Root, "note", TypeRegular|0o644, 0, Cred{}))
	must(tree.WriteAt(a.ID, []byte("one"), 0))
	ok(t, s.Seal(context.Background()))
	must(tree.Mknod(Root, "fifo", TypeFIFO|0o644, 0, Cred{}))
	ok(t, tree.Rename(Root, "fifo", Root, "note", 0))
	ok(t, tree.Unlink(Root, "note"))
	if log := must(s.History("note")); len(log) != 1 {
		t.Errorf("the document at note has %d revisions", len(log))
	}
}
