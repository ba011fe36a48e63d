package spacedb

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"spacefs/internal/seed"
	"testing"
)

// forget drops the clean pages, as time and other work do.
func (s *Store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.clean.pages.Len() > 0 {
		pg := s.clean.pages.Front().Value.(*page)
		s.dropPage(pg.node, pg.idx)
	}
}

func (s *Store) countRows(t *testing.T, table string) (count int64) {
	t.Helper()
	ok(t, s.Sync())
	ok(t, s.reading(func(c *conn) error {
		_, err := c.one(func(r row) error { count = r.int(0); return nil }, `SELECT count(*) FROM `+table)
		return err
	}))
	return count
}

// largeFile makes a durable content of several chunks that is not in memory.
func largeFile(t *testing.T, s *Store, size int) (NodeID, []byte) {
	t.Helper()
	tr := s.Tree(mount)
	want := make([]byte, size)
	rand.New(rand.NewSource(1)).Read(want)
	a := must(tr.Mknod(Root, "large", TypeRegular|0o644, 0, Cred{}))
	must(tr.WriteAt(a.ID, want, 0))
	ok(t, s.Sync())
	s.forget()
	return a.ID, want
}

func TestASmallWriteIntoALargeContentCostsWhatIsWritten(t *testing.T) {
	s, _ := newSpace(t, calm)
	id, want := largeFile(t, s, 40*chunkSize)
	tr := s.Tree(mount)
	for i := range 20 {
		at := (i*2 + 1) * chunkSize
		must(tr.WriteAt(id, bytes.Repeat([]byte{byte(i)}, 4096), int64(at+100)))
		copy(want[at+100:], bytes.Repeat([]byte{byte(i)}, 4096))
	}
	if dirty := s.Status().DirtyBytes; dirty != 20*4096 {
		t.Errorf("%d bytes wait for a commit instead of %d", dirty, 20*4096)
	}
	s.mu.Lock()
	written := s.walBytes.Load()
	s.mu.Unlock()
	ok(t, s.Sync())
	if written = s.walBytes.Load() - written; written > 400<<10 {
		t.Errorf("the commit is %d bytes", written)
	}
	s.forget()
	if got := content(t, tr, id); got != string(want) {
		t.Error("the content is not what was written")
	}
}

// A revision shares chunks and no patches: they are folded first, and what an
// earlier revision holds stays as it is.
func TestARevisionOfAPatchedContentIsWhole(t *testing.T) {
	s, path := newSpace(t, calm)
	id, first := largeFile(t, s, 5*chunkSize)
	ok(t, s.Seal(t.Context()))
	second := append([]byte(nil), first...)
	copy(second[2*chunkSize+10:], "patched")
	tr := s.Tree(mount)
	must(tr.WriteAt(id, []byte("patched"), 2*chunkSize+10))
	if rows := s.countRows(t, "patch"); rows != 1 {
		t.Fatalf("%d patches are stored", rows)
	}
	s = reopen(t, s, path, calm) // closing seals
	if rows := s.countRows(t, "patch"); rows != 0 {
		t.Errorf("%d patches are left", rows)
	}
	for rev, want := range map[string][]byte{"1": first, "2": second, "": second} {
		r, _, err := s.OpenRevision("large", rev)
		ok(t, err)
		if !bytes.Equal(must(io.ReadAll(r)), want) {
			t.Errorf("revision %q is not what was written", rev)
		}
		ok(t, r.Close())
	}
}

// A revision that waits for its commit shares the chunks although the document
// has meanwhile moved on, and counts as unsealed again.
func TestARevisionOfWhatMovedBeforeItsCommitIsWhole(t *testing.T) {
	s, _ := newSpace(t, calm)
	tr := s.Tree(mount)
	a := save(t, tr, "new", string(noise(3*chunkSize)))
	save(t, tr, "doc", "history goes on")
	ok(t, s.Seal(t.Context()))
	ok(t, s.Sync())
	must(tr.WriteAt(a.ID, []byte("changed"), chunkSize+10))
	ok(t, s.Seal(t.Context()))
	ok(t, tr.Rename(Root, "new", Root, "doc", 0))
	ok(t, s.Sync())
	checked(t, s)
}

// Nor does a revision miss what a commit stores as a patch while it is hashed.
func TestCommitsWhileItIsSealedLeaveARevisionWhole(t *testing.T) {
	s, _ := newSpace(t, calm)
	tr := s.Tree(mount)
	a := save(t, tr, "doc", string(noise(20*chunkSize)))
	ok(t, s.Seal(t.Context()))
	for i := range 60 {
		ok(t, s.Sync())
		must(tr.WriteAt(a.ID, fmt.Appendf(nil, "change %d", i), int64(19*chunkSize+i)))
		committed := make(chan error)
		go func() { committed <- s.Sync() }()
		ok(t, s.Seal(t.Context()))
		ok(t, <-committed)
	}
	ok(t, s.Seal(t.Context()))
	checked(t, s)
}

func TestAContentThatGoesTakesItsPatchesAlong(t *testing.T) {
	s, _ := newSpace(t, calm)
	id, _ := largeFile(t, s, 3*chunkSize)
	tr := s.Tree(mount)
	must(tr.WriteAt(id, []byte("patched"), chunkSize+10))
	ok(t, s.Sync())
	must(tr.WriteAt(id, []byte("again"), chunkSize+500))
	ok(t, tr.Unlink(Root, "large"))
	ok(t, s.Seal(t.Context())) // it was durable once, so it is history now
	ok(t, s.Sync())
	if rows := s.countRows(t, "patch"); rows != 0 {
		t.Errorf("%d patches are left", rows)
	}
	if dirty := s.Status().DirtyBytes; dirty != 0 {
		t.Errorf("%d bytes are still said to wait", dirty)
	}
}

// Whatever is written, cut off, punched, committed, forgotten, sealed or
// reopened, in whatever order: the content is what a plain buffer holds, in
// memory and in a snapshot.
func TestPatchedContentIsWhatWasWritten(t *testing.T) {
	rng := rand.New(rand.NewSource(seed.Of(t)))
	s, path := newSpace(t, calm)
	id, want := largeFile(t, s, 6*chunkSize+1000)
	for step := range 400 {
		tr := s.Tree(mount)
		off := rng.Intn(len(want) + 1000)
		switch k := rng.Intn(20); {
		case k < 10:
			p := make([]byte, 1+rng.Intn([]int{100, 5000, 3 * chunkSize}[rng.Intn(3)]))
			rng.Read(p)
			must(tr.WriteAt(id, p, int64(off)))
			if grow := off + len(p) - len(want); grow > 0 {
				want = append(want, make([]byte, grow)...)
			}
			copy(want[off:], p)
		case k == 10:
			size := int64(chunkSize + off)
			must(tr.SetAttr(id, AttrChange{Size: &size}))
			want = append(want, make([]byte, max(0, int(size)-len(want)))...)[:size]
		case k == 11:
			length := 1 + rng.Intn(2*chunkSize)
			ok(t, tr.Allocate(id, int64(off), int64(length), AllocatePunchHole|AllocateKeepSize))
			if off < len(want) {
				clear(want[off:min(off+length, len(want))])
			}
		case k < 15:
			ok(t, s.Sync())
		case k < 18:
			s.forget()
		case k == 18:
			ok(t, s.Seal(t.Context()))
		default:
			if rng.Intn(5) == 0 {
				s = reopen(t, s, path, calm)
			}
		}
		from := rng.Intn(len(want) + 1)
		got := make([]byte, min(2*chunkSize, len(want)-from))
		must(s.Tree(mount).ReadAt(id, got, int64(from)))
		if !bytes.Equal(got, want[from:from+len(got)]) {
			t.Fatalf("step %d: wrong bytes within %d of %d", step, len(got), from)
		}
		if step%40 == 0 {
			v := must(s.Snapshot(t.Context()))
			if !bytes.Equal(must(io.ReadAll(must(v.Open(id)))), want) {
				t.Fatalf("step %d: a snapshot shows something else", step)
			}
			ok(t, v.Close())
		}
	}
	checked(t, s)
	s.forget()
	if content(t, s.Tree(mount), id) != string(want) {
		t.Error("the content is not what was written")
	}
}

func TestADamagedPatchIsFound(t *testing.T) {
	for what, harm := range map[string]string{
		"ranges that cannot be": `UPDATE patch SET ranges = x'ff'`,
		"too few bytes":         `UPDATE patch SET data = x'00'`,
		"of no document":        `UPDATE patch SET node = 999`,
		"over nothing":          `UPDATE extent SET chunk = chunk + 1000 WHERE idx = 1`,
	} {
		t.Run(what, func(t *testing.T) {
			s := must(Create(t.TempDir()+"/test.space", calm))
			defer s.Close()
			id, _ := largeFile(t, s, 3*chunkSize)
			must(s.Tree(mount).WriteAt(id, []byte("patched"), chunkSize+10))
			ok(t, s.Sync())
			s.committing.Lock()
			err := s.write.exec(harm)
			s.committing.Unlock()
			ok(t, err)
			if findings := must(s.Check(t.Context())); len(findings) == 0 {
				t.Error("check finds nothing")
			}
		})
	}
}

// The first chunk may be a hole, and then a patched content has one chunk only.
func TestASparseContentsPatchesAreInItsSnapshots(t *testing.T) {
	s, _ := newSpace(t, calm)
	tr := s.Tree(mount)
	a := must(tr.Mknod(Root, "sparse", TypeRegular|0o644, 0, Cred{}))
	must(tr.WriteAt(a.ID, []byte("stored"), chunkSize+100))
	ok(t, s.Sync())
	must(tr.WriteAt(a.ID, []byte("patched"), chunkSize+102))
	if rows := s.countRows(t, "patch"); rows != 1 {
		t.Fatalf("%d patches are stored", rows)
	}
	v := must(s.Snapshot(t.Context()))
	defer v.Close()
	want := string(make([]byte, chunkSize+100)) + "stpatched"
	if got := must(io.ReadAll(must(v.Open(a.ID)))); string(got) != want {
		t.Errorf("a snapshot ends in %q", got[chunkSize+100:])
	}
}
