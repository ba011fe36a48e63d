package spacedb

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Each format that was ever written has a space in testdata, made by the
// program of its time: v1.space has documents of every kind, four revisions of
// note.md, a deleted document, a mirror and a conflict.
func TestEveryEarlierFormatIsUpgraded(t *testing.T) {
	fixtures := must(filepath.Glob("testdata/v*.space.gz"))
	if len(fixtures) != schemaVersion-1 {
		t.Errorf("%d fixtures for %d earlier versions", len(fixtures), schemaVersion-1)
	}
	for _, fixture := range fixtures {
		t.Run(filepath.Base(fixture), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "old.space")
			unzip(t, fixture, path)
			s := must(Open(path, calm))
			for range 2 { // as it was upgraded, and opened again
				checked(t, s)
				if log := must(s.History("note.md")); len(log) != 4 {
					t.Errorf("note.md has %d revisions", len(log))
				}
				r, _, err := s.OpenRevision("note.md", "1")
				ok(t, err)
				if text := must(io.ReadAll(r)); string(text) != "one\n" {
					t.Errorf("revision 1 is %q", text)
				}
				ok(t, r.Close())
				if log := must(s.History("sub/f1")); len(log) != 1 {
					t.Errorf("the deleted sub/f1 has %d revisions", len(log))
				}
				if m := must(s.Mirrors()); len(m) != 1 {
					t.Errorf("%d mirrors", len(m))
				}
				large := must(s.Tree(mount).Resolve("sub/large.txt"))
				if text := content(t, s.Tree(mount), large.ID); len(text) != int(large.Size) || strings.Count(text, "\n") < 1000 {
					t.Errorf("sub/large.txt has %d bytes", len(text))
				}
				s = reopen(t, s, path, calm)
			}
			pastBeginsHere(t, s)
		})
	}
}

// The past of a space that had none begins when it is upgraded.
func pastBeginsHere(t *testing.T, s *Store) {
	t.Helper()
	upgraded := time.Now()
	whole := now(t, s)
	delete(whole, "pipe") // special files have no past
	if _, err := s.SnapshotAt(context.Background(), Moment{Time: upgraded.Add(-time.Hour)}); !errors.Is(err, ErrNoPast) {
		t.Errorf("an hour before the upgrade: %v", err)
	}
	tr := s.Tree(mount)
	ok(t, tr.Unlink(Root, "note.md"))
	settle(t, s)
	if _, here := now(t, s)["note.md"]; here {
		t.Error("note.md is still there")
	}
	samePicture(t, "when it was upgraded", then(t, s, Moment{Time: upgraded}), whole)
}

func unzip(t *testing.T, from, to string) {
	t.Helper()
	f := must(os.Open(from))
	defer f.Close()
	z := must(gzip.NewReader(f))
	ok(t, os.WriteFile(to, must(io.ReadAll(z)), 0o600))
}
