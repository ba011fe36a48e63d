package spacedb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// A thousand saves of a note of 20 KiB, a sentence changed in each.
func TestAThousandSavesOfANoteAreSmall(t *testing.T) {
	saves, most := 100, int64(150<<10)
	if os.Getenv("SPACEFS_HISTORY_FIGURES") != "" {
		saves, most = 1000, 1<<20
	}
	s, path := newSpace(t, calm)
	rng := rand.New(rand.NewSource(3))
	note := prose(rng, 20<<10)
	save(t, s.Tree(mount), "note.md", string(note))
	s = reopen(t, s, path, calm)
	before := must(os.Stat(path)).Size()
	tr := s.Tree(mount)
	id := must(tr.Resolve("note.md")).ID
	first := string(note)
	for range saves {
		at := rng.Intn(len(note) - 200)
		note = append(append(append([]byte{}, note[:at]...), prose(rng, 40+rng.Intn(60))...), note[at+70:]...)
		overwrite(t, tr, id, string(note))
		ok(t, s.Seal(context.Background()))
		ok(t, s.packSuperseded(context.Background()))
	}
	s = reopen(t, s, path, calm)
	grown := must(os.Stat(path)).Size() - before
	t.Logf("%d saves added %d KiB", saves, grown>>10)
	if grown > most {
		t.Errorf("that is more than %d KiB", most>>10)
	}
	if got := revisionText(t, s, "note.md", "1"); got != first {
		t.Error("the first revision is another")
	}
}

// With very many revisions, one document's history is still at hand.
func TestLogAndOldRevisionsAreQuickWithManyRevisions(t *testing.T) {
	revisions, quick := 5_000, time.Duration(0) // how long it takes is looked at on a quiet machine only
	if os.Getenv("SPACEFS_HISTORY_FIGURES") != "" {
		revisions, quick = 1_000_000, 20*time.Millisecond
	}
	s, path := newSpace(t, calm)
	fillHistory(t, s, path, revisions)
	s = must(Open(path, calm))
	t.Cleanup(func() { ok(t, s.Close()) })
	if os.Getenv("SPACEFS_HISTORY_FIGURES") == "" {
		checked(t, s)
	}
	deep := revisions / 10 // of one document
	sum := must(s.History("note.md"))[3].SHA256.String()
	for what, do := range map[string]func(){
		"log of a document with 100 revisions": func() { must2(s.Log(context.Background(), "d0/f7", 0)) },
		"log of one with a tenth of them all, the last 400": func() {
			if list, more := must2(s.Log(context.Background(), "deep.md", 400)); len(list) != 400 || !more {
				t.Errorf("%d entries", len(list))
			}
		},
		"log of the space, the last 400": func() { must2(s.Log(context.Background(), "", 1000)) },
		"cat of the end of a chain":      func() { readRevision(t, s, "note.md", "1") },
		"cat of one of very many":        func() { readRevision(t, s, "deep.md", strconv.Itoa(deep/2)) },
		"cat of one by its time":         func() { readRevision(t, s, "deep.md", "2026-01-05T00:00:00Z") },
		"cat of one by its hash":         func() { readRevision(t, s, "note.md", sum[:9]) },
		"cat by a hash that is not there": func() {
			if _, _, err := s.OpenRevision("deep.md", "123456789a"); !errors.Is(err, ErrNoRevision) {
				t.Error(err)
			}
		},
		"diff (two contents)": func() { readRevision(t, s, "note.md", "20"); readRevision(t, s, "note.md", "21") },
	} {
		var took []time.Duration
		for range 21 {
			start := time.Now()
			do()
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		t.Logf("%d revisions: %s: %v (worst %v)", revisions, what, took[10].Round(10*time.Microsecond), took[20].Round(10*time.Microsecond))
		if quick > 0 && took[10] > quick {
			t.Errorf("%s takes more than %v", what, quick)
		}
	}
}

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

func readRevision(t *testing.T, s *Store, path, rev string) {
	t.Helper()
	r, _, err := s.OpenRevision(path, rev)
	ok(t, err)
	must(io.Copy(io.Discard, r))
	ok(t, r.Close())
}

// fillHistory makes a space with so many revisions: of a real note, of one
// document a tenth, and of small documents a hundred each. It closes the store.
func fillHistory(t *testing.T, s *Store, path string, revisions int) {
	t.Helper()
	rng := rand.New(rand.NewSource(4))
	note := prose(rng, 20<<10)
	tr := s.Tree(mount)
	save(t, tr, "note.md", string(note))
	ok(t, s.Seal(context.Background()))
	id := must(tr.Resolve("note.md")).ID
	for range 40 {
		copy(note[rng.Intn(len(note)-100):], prose(rng, 60))
		overwrite(t, tr, id, string(note))
		ok(t, s.Seal(context.Background()))
		ok(t, s.packSuperseded(context.Background()))
	}
	ok(t, s.Sync())
	documents := revisions * 9 / 10 / 100
	save(t, tr, "deep.md", "deep")
	for i := range documents {
		if i%100 == 0 {
			must(tr.Mkdir(Root, fmt.Sprint("d", i/100), 0o755, Cred{}))
		}
		save(t, tr, fmt.Sprintf("d%d/f%d", i/100, i%100), "small")
	}
	ok(t, s.Close())
	c := must(openConn(path, modeWrite))
	// Each document gets older revisions of the same content before its own.
	ok(t, c.inTx(func() error {
		type last struct{ id, document, number int64 }
		var all []last
		err := c.query(func(r row) error { all = append(all, last{r.int(0), r.int(1), r.int(2)}); return nil },
			`SELECT revision.id, revision.document, number FROM revision JOIN node ON node.revision = revision.id WHERE node.size < 10 ORDER BY revision.document`)
		if err != nil {
			return err
		}
		next := int64(0)
		if _, err := c.one(func(r row) error { next = r.int(0); return nil }, `SELECT revision FROM space`); err != nil {
			return err
		}
		begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
		for i, l := range all {
			count := 99
			if i == 0 {
				count = revisions / 10
			}
			if err := c.exec(`UPDATE revision SET number = ? WHERE id = ?`, count+1, l.id); err != nil {
				return err
			}
			for n := 1; n <= count; n++ {
				next++
				err := c.exec(`INSERT INTO revision SELECT ?1, document, ?2, path, ?3, origin, run, mode, mtime, size, sha256, lost, chunks FROM revision WHERE id = ?4`,
					next, n, begin+int64(n)*int64(time.Minute), l.id)
				if err != nil {
					return err
				}
			}
		}
		return c.exec(`UPDATE space SET revision = ?`, next)
	}))
	ok(t, c.close())
}
