package spacedb

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"spacefs/internal/seed"
	"testing"
)

// noise is content that no two chunks have in common.
func noise(size int) []byte {
	p := make([]byte, size)
	rand.New(rand.NewSource(int64(size))).Read(p)
	return p
}

func TestACopyOfADocumentAtRestCostsRows(t *testing.T) {
	s, path := newSpace(t, calm)
	tr := s.Tree(mount)
	text := noise(10*chunkSize + 1000)
	from := save(t, tr, "from", string(text))
	ok(t, s.Seal(context.Background()))
	before := s.countRows(t, "chunk")
	to := save(t, tr, "to", "")
	if n := must(tr.CopyRange(from.ID, 0, to.ID, 0, 1<<30)); n != int64(len(text)) {
		t.Fatalf("%d bytes copied", n)
	}
	if added := s.countRows(t, "chunk") - before; added != 1 { // the last, which is not whole
		t.Errorf("%d chunks more", added)
	}
	if content(t, tr, to.ID) != string(text) {
		t.Error("the copy is another")
	}
	checked(t, s)
	// Each goes its own way, and the other is none the worse.
	must(tr.WriteAt(from.ID, []byte("changed"), 3*chunkSize+5))
	must(tr.WriteAt(to.ID, []byte("otherwise"), 5*chunkSize))
	ok(t, s.Seal(context.Background()))
	ok(t, s.packSuperseded(context.Background()))
	checked(t, s)
	ok(t, tr.Unlink(Root, "from"))
	s = reopen(t, s, path, calm)
	tr = s.Tree(mount)
	want := bytes.Clone(text)
	copy(want[5*chunkSize:], "otherwise")
	if content(t, tr, to.ID) != string(want) {
		t.Error("the copy changed with what it was copied from")
	}
	// What is current is readable by anybody, also where it is another's history.
	ok(t, s.reading(func(c *conn) error {
		_, err := c.one(func(r row) error {
			if r.int(0) != 0 {
				t.Errorf("%d chunks of the copy are packed", r.int(0))
			}
			return nil
		}, `SELECT count(*) FROM extent JOIN chunk ON chunk.id = extent.chunk WHERE extent.node = ? AND chunk.base <> 0`, to.ID)
		return err
	}))
}

func TestACopyOfWhatIsNotInHistoryIsItsOwn(t *testing.T) {
	s, _ := newSpace(t, calm)
	tr := s.Tree(mount)
	text := noise(3 * chunkSize)
	from, to := save(t, tr, "from", string(text)), save(t, tr, "to", "")
	must(tr.CopyRange(from.ID, 0, to.ID, chunkSize, 3*chunkSize))
	ok(t, s.Sync())
	ok(t, tr.Unlink(Root, "from"))
	if content(t, tr, to.ID) != string(make([]byte, chunkSize))+string(text) {
		t.Error("the copy is another")
	}
}

// A revision that a commit is just writing has chunks that are not in the file.
func TestACopyOfWhatIsJustBeingWrittenCanBeRead(t *testing.T) {
	s, _ := newSpace(t, calm)
	tr := s.Tree(mount)
	text := noise(2 * chunkSize)
	from, to := save(t, tr, "from", string(text)), save(t, tr, "to", "")
	ok(t, s.Seal(context.Background()))
	func() {
		s.committing.Lock()
		defer s.committing.Unlock()
		s.mu.Lock()
		s.running = s.cut() // it is under way from here on
		s.mu.Unlock()
		must(tr.CopyRange(from.ID, 0, to.ID, 0, 2*chunkSize))
		must(tr.CopyRange(from.ID, 0, from.ID, 2*chunkSize, 2*chunkSize))
		if content(t, tr, to.ID) != string(text) || content(t, tr, from.ID) != string(text)+string(text) {
			t.Error("the copy is another")
		}
	}()
	ok(t, s.Sync())
	if content(t, tr, to.ID) != string(text) {
		t.Error("the copy is another in the end")
	}
}

func TestCopiesRefuseWhatIsNone(t *testing.T) {
	s, _ := newSpace(t, calm)
	tr := s.Tree(mount)
	a := save(t, tr, "a", "0123456789")
	d := must(tr.Mkdir(Root, "d", 0o755, Cred{}))
	for what, c := range map[string]struct {
		from     NodeID
		off      int64
		to       NodeID
		at, size int64
		want     error
	}{
		"onto itself":    {a.ID, 0, a.ID, 5, 6, ErrInvalid},
		"backwards":      {a.ID, -1, a.ID, 5, 6, ErrInvalid},
		"past the limit": {a.ID, 0, a.ID, MaxSize, 6, ErrTooLarge},
		"to a directory": {a.ID, 0, d.ID, 0, 6, ErrIsDir},
		"of a directory": {d.ID, 0, a.ID, 0, 6, ErrIsDir},
		"of nothing":     {999, 0, a.ID, 0, 6, ErrNotFound},
		"behind the end": {a.ID, 10, a.ID, 100, 6, nil},
		"within a file":  {a.ID, 0, a.ID, 5, 5, nil},
	} {
		if _, err := tr.CopyRange(c.from, c.off, c.to, c.at, c.size); err != c.want {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
	if got := content(t, tr, a.ID); got != "0123401234" {
		t.Errorf("reads %q", got)
	}
}

// TestRandomCopies copies, writes, punches, cuts, removes, seals and packs a few
// documents at random and compares them with plain memory.
func TestRandomCopies(t *testing.T) {
	r := rand.New(rand.NewSource(seed.Of(t)))
	s, path := newSpace(t, calm)
	tr := s.Tree(mount)
	const most = 6 * chunkSize
	var ids [4]NodeID
	var model [4][]byte
	name := func(i int) string { return fmt.Sprint("doc", i) + []string{"", "~"}[i%2] } // every other has no history
	for i := range ids {
		ids[i] = save(t, tr, name(i), "").ID
	}
	offset := func(limit int64) int64 {
		off := r.Int63n(limit)
		if r.Intn(2) == 0 {
			off -= off % chunkSize
		}
		return off
	}
	grow := func(i int, size int64) {
		if missing := size - int64(len(model[i])); missing > 0 {
			model[i] = append(model[i], make([]byte, missing)...)
		}
	}
	for step := range 800 {
		i, j := r.Intn(len(ids)), r.Intn(len(ids))
		off, at, size := offset(most), offset(most), 1+r.Int63n(3*chunkSize)
		switch r.Intn(10) {
		case 0, 1, 2:
			n, err := tr.CopyRange(ids[i], off, ids[j], at, size)
			if i == j && off < at+size && at < off+size {
				if err != ErrInvalid {
					t.Fatalf("step %d: onto itself: %v", step, err)
				}
				continue
			}
			ok(t, err)
			if want := max(min(size, int64(len(model[i]))-off), 0); n != want {
				t.Fatalf("step %d: %d bytes copied instead of %d", step, n, want)
			}
			if n > 0 {
				grow(j, at+n)
				copy(model[j][at:], model[i][off:off+n])
			}
		case 3, 4:
			if r.Intn(2) == 0 { // a patch, where the chunk is stored and not in memory
				size = 1 + size%5000
			}
			p := make([]byte, size)
			r.Read(p)
			must(tr.WriteAt(ids[i], p, off))
			grow(i, off+size)
			copy(model[i][off:], p)
		case 5:
			ok(t, tr.Allocate(ids[i], off, size, AllocatePunchHole|AllocateKeepSize))
			if off < int64(len(model[i])) {
				clear(model[i][off:min(off+size, int64(len(model[i])))])
			}
		case 6:
			must(tr.SetAttr(ids[i], AttrChange{Size: &off}))
			grow(i, off)
			model[i] = model[i][:off]
		case 7:
			ok(t, s.Seal(context.Background()))
			ok(t, s.packSuperseded(context.Background()))
			if r.Intn(4) == 0 {
				must(s.Prune(context.Background(), KeepRules{Last: 1}, false))
			}
		case 8:
			ok(t, s.Sync())
			if r.Intn(2) == 0 {
				s.forget()
			}
		case 9:
			if r.Intn(3) > 0 {
				continue
			}
			ok(t, tr.Unlink(Root, name(i)))
			ids[i] = save(t, tr, name(i), "").ID
			model[i] = nil
		}
		if content(t, tr, ids[j]) != string(model[j]) || content(t, tr, ids[i]) != string(model[i]) {
			t.Fatalf("step %d: another content", step)
		}
		if step%150 == 149 {
			checked(t, s)
			s = reopen(t, s, path, calm)
			tr = s.Tree(mount)
		}
	}
	for i := range ids {
		if content(t, tr, ids[i]) != string(model[i]) {
			t.Errorf("doc%d has another content", i)
		}
	}
}
