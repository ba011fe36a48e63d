package spacedb

import "testing"

func TestSeekFindsDataAndHoles(t *testing.T) {
	s, _ := newSpace(t, calm)
	tr := s.Tree(mount)
	a := save(t, tr, "sparse", "")
	for _, at := range []int64{2 * chunkSize, 3 * chunkSize, 1 << 40} {
		must(tr.WriteAt(a.ID, []byte("data"), at))
	}
	end := int64(1)<<40 + 4
	for _, c := range []struct{ off, data, hole int64 }{ // -1: none
		{0, 2 * chunkSize, 0},
		{2 * chunkSize, 2 * chunkSize, 4 * chunkSize},
		{2*chunkSize + 7, 2*chunkSize + 7, 4 * chunkSize},
		{4 * chunkSize, 1 << 40, 4 * chunkSize},
		{1<<40 + 1, 1<<40 + 1, end},
		{end, -1, -1},
		{-1, -1, -1},
	} {
		for what, want := range map[bool]int64{false: c.data, true: c.hole} {
			got, err := tr.Seek(a.ID, c.off, what)
			if err == ErrNoData {
				got, err = -1, nil
			}
			if err != nil || got != want {
				t.Errorf("from %d, hole %v: %d %v, want %d", c.off, what, got, err, want)
			}
		}
	}
	grown := end + chunkSize
	must(tr.SetAttr(a.ID, AttrChange{Size: &grown}))
	if _, err := tr.Seek(a.ID, end+chunkSize-1, false); err != ErrNoData {
		t.Errorf("in the hole at the end: %v", err)
	}
	if _, err := tr.Seek(Root, 0, false); err != ErrInvalid {
		t.Errorf("in a directory: %v", err)
	}
}

// TestHollowDocumentsAreNotHashed would take hours if they were.
func TestHollowDocumentsAreNotHashed(t *testing.T) {
	s, path := newSpace(t, calm)
	tr := s.Tree(mount)
	a := save(t, tr, "image", "begins")
	ok(t, s.Seal(t.Context()))
	must(tr.WriteAt(a.ID, []byte("ends"), MaxSize-4))
	if _, err := tr.WriteAt(a.ID, []byte("beyond"), MaxSize-4); err != ErrTooLarge {
		t.Errorf("beyond the largest size: %v", err)
	}
	ok(t, s.Sync())
	gone := save(t, tr, "gone", "")
	must(tr.WriteAt(gone.ID, []byte("ends"), MaxSize-4))
	ok(t, s.Sync())
	ok(t, tr.Unlink(Root, "gone"))
	s = reopen(t, s, path, calm)
	tr = s.Tree(mount)
	p := make([]byte, 10)
	if n := must(tr.ReadAt(a.ID, p, MaxSize-4)); string(p[:n]) != "ends" {
		t.Errorf("reads %q", p[:n])
	}
	small := int64(6)
	must(tr.SetAttr(a.ID, AttrChange{Size: &small}))
	must(tr.WriteAt(a.ID, []byte("B"), 0))
	ok(t, s.Seal(t.Context()))
	if h := must(s.History("image")); len(h) != 2 {
		t.Errorf("%d revisions: what has got smaller is a document like others", len(h))
	}
}
