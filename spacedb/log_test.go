package spacedb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// lines is a log in short.
func logLines(t *testing.T, s *Store, path string) (lines []string) {
	t.Helper()
	list, more, err := s.Log(context.Background(), path, 0)
	ok(t, err)
	if more {
		t.Error("an unlimited log has more")
	}
	for _, e := range list {
		line := fmt.Sprintf("%s %s", e.What, e.Path)
		if e.To != "" {
			line += " to " + e.To
		}
		if e.What == Saved {
			line += fmt.Sprintf(" %d", e.Number)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestALogTellsWhereADocumentHasBeen(t *testing.T) {
	c := newClock()
	s, path := newSpace(t, c.options())
	tr := s.Tree(mount)
	must(tr.Mkdir(Root, "d", 0o755, Cred{}))
	d := must(tr.Resolve("d"))
	a := save(t, tr, "a.md", "one")
	step := func() {
		settle(t, s)
		c.pass(time.Minute)
	}
	step()
	ok(t, tr.Rename(Root, "a.md", d.ID, "b.md", 0))
	step()
	overwrite(t, tr, a.ID, "two")
	step()
	save(t, tr, "d/tmp", "three") // an editor's save by rename is a save, and nothing else
	ok(t, tr.Rename(d.ID, "tmp", d.ID, "b.md", 0))
	step()
	mode := uint32(0o600)
	must(tr.SetAttr(must(tr.Resolve("d/b.md")).ID, AttrChange{Mode: &mode}))
	step()
	want := []string{"mode d/b.md", "saved d/b.md 3", "saved d/b.md 2", "renamed a.md to d/b.md", "saved a.md 1"}
	if got := logLines(t, s, "d/b.md"); !slices.Equal(got, want) {
		t.Errorf("the document's log is %q, want %q", got, want)
	}
	ok(t, tr.Rename(Root, "d", Root, "e", 0))
	step()
	ok(t, tr.Unlink(d.ID, "b.md"))
	ok(t, tr.Rmdir(Root, "e"))
	step()
	s = reopen(t, s, path, c.options())
	want = append([]string{"deleted e/b.md"}, want...)
	if got := logLines(t, s, "e/b.md"); !slices.Equal(got, want) {
		t.Errorf("the deleted document's log is %q, want %q", got, want)
	}
	whole := logLines(t, s, "")
	for _, line := range []string{"deleted e", "renamed d to e", "deleted e/b.md", "renamed a.md to d/b.md", "saved d/b.md 3"} {
		if !slices.Contains(whole, line) {
			t.Errorf("%q is missing in %q", line, whole)
		}
	}
	if got := logLines(t, s, "e"); !slices.Contains(got, "deleted e/b.md") {
		t.Errorf("the log of the directory that is gone: %q", got)
	}
	if list, more, err := s.Log(context.Background(), "", 2); err != nil || len(list) != 2 || !more || list[0].What != Deleted {
		t.Errorf("the last two: %+v, %t, %v", list, more, err)
	}
	if _, _, err := s.Log(context.Background(), "never/was", 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("what never was: %v", err)
	}
	gone := must(s.Deleted("e"))
	if len(gone) != 1 || gone[0].Path != "e/b.md" || gone[0].Number != 3 || len(must(s.Deleted("d"))) != 0 {
		t.Errorf("deleted below e: %+v", gone)
	}
}

func TestALogTellsOfNoRemovalThatASaveBeganWith(t *testing.T) {
	c := newClock()
	s, _ := newSpace(t, c.options())
	tr := s.Tree(mount)
	again := func(text string, after time.Duration) {
		ok(t, tr.Unlink(Root, "a.md"))
		ok(t, s.Sync()) // a commit comes in between
		c.pass(after)
		save(t, tr, "a.md", text)
		settle(t, s)
		c.pass(time.Minute)
	}
	save(t, tr, "a.md", "one")
	settle(t, s)
	c.pass(time.Minute)
	again("two", time.Minute)
	if got, want := logLines(t, s, "a.md"), []string{"saved a.md 2", "saved a.md 1"}; !slices.Equal(got, want) {
		t.Errorf("saved by removing and making: %q, want %q", got, want)
	}
	again("three", 2*time.Hour) // longer than Quiet
	if got, want := logLines(t, s, "a.md"), []string{"saved a.md 3", "deleted a.md", "saved a.md 2", "saved a.md 1"}; !slices.Equal(got, want) {
		t.Errorf("deleted, and made again: %q, want %q", got, want)
	}
}
