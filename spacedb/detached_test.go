package spacedb

import (
	"fmt"
	"math/rand"
	"testing"

	"spacefs/internal/seed"
)

// TestWhereADocumentWaitsIsFoundEitherWay: by the path, by the document, and
// after any number of changes both say the same.
func TestWhereADocumentWaitsIsFoundEitherWay(t *testing.T) {
	rng := rand.New(rand.NewSource(seed.Of(t)))
	var ds detachments
	for seq := uint64(1); seq < 5000; seq++ {
		switch path := fmt.Sprint(rng.Intn(20)); rng.Intn(10) {
		case 0:
			ds.settle(seq - uint64(rng.Intn(20)))
		case 1:
			ds.put(path, detached{at: seq}) // somebody took it up
		default:
			ds.put(path, detached{history{document: 1 + rng.Int63n(15)}, seq})
		}
		waiting := 0
		for path, d := range ds.byPath {
			if d.document == 0 {
				continue
			}
			if waiting++; ds.where[d.document] != path {
				t.Fatalf("document %d waits at %q and is said to wait at %q", d.document, path, ds.where[d.document])
			}
		}
		if waiting != len(ds.where) {
			t.Fatalf("%d documents wait, and %d are said to: %v", waiting, len(ds.where), ds)
		}
	}
}

// TestAllThatIsRemovedAtOnceIsSealedWhereItWas: every document of a directory
// that is durable, not sealed, and removed at once comes into history under the
// path that it had.
func TestAllThatIsRemovedAtOnceIsSealedWhereItWas(t *testing.T) {
	s, _ := newSpace(t, calm)
	const files = 300
	removeUnsealed(t, s, files)
	deleted := must(s.Deleted("d"))
	if len(deleted) != files {
		t.Fatalf("%d of %d documents are in history", len(deleted), files)
	}
	for _, d := range deleted {
		var path string
		ok(t, s.reading(func(c *conn) error {
			_, err := c.one(func(r row) error { path = r.text(0); return nil },
				`SELECT revision.path FROM revision JOIN document ON document.id = document WHERE uuid = ?`, d.Document)
			return err
		}))
		if path != d.Path || d.Size != int64(len(path)) {
			t.Errorf("%s waits at %q, and its %d bytes were sealed as %q", d.Document, d.Path, d.Size, path)
		}
	}
}

// removeUnsealed makes files that hold their own path, makes them durable, removes
// them all, and seals.
func removeUnsealed(t testing.TB, s *Store, files int) {
	t.Helper()
	fatal := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	tr := s.Tree(mount)
	dir := must(tr.Mkdir(Root, "d", 0o755, Cred{})).ID
	for i := range files {
		name := fmt.Sprint(i)
		must(tr.WriteAt(must(tr.Mknod(dir, name, TypeRegular|0o644, 0, Cred{})).ID, []byte("d/"+name), 0))
	}
	fatal(s.Sync())
	for i := range files {
		fatal(tr.Unlink(dir, fmt.Sprint(i)))
	}
	fatal(s.Seal(t.Context()))
	fatal(s.Sync())
}

// BenchmarkRemoveUnsealed: the cost of one is the same among few and many.
func BenchmarkRemoveUnsealed(b *testing.B) {
	for _, files := range []int{1000, 10_000, 40_000} {
		b.Run(fmt.Sprint(files), func(b *testing.B) {
			for b.Loop() {
				s := must(Create(b.TempDir()+"/bench.space", calm))
				removeUnsealed(b, s, files)
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(files), "ns/file")
		})
	}
}
