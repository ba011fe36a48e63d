package spacedb

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"spacefs/internal/seed"
)

// TestSmallDocumentsFillTheirPages: a space of documents as people have them is
// hardly larger than they are.
func TestSmallDocumentsFillTheirPages(t *testing.T) {
	rng := rand.New(rand.NewSource(seed.Of(t)))
	s, path := newSpace(t, calm)
	tr := s.Tree(mount)
	content := int64(0)
	for i := range 1500 {
		text := make([]byte, 500+int(rng.ExpFloat64()*9000))
		rng.Read(text)
		content += int64(len(text))
		must(tr.WriteAt(must(tr.Mknod(Root, fmt.Sprint(i), TypeRegular|0o644, 0, Cred{})).ID, text, 0))
	}
	ok(t, s.Sync())
	var pages int64
	ok(t, s.reading(func(c *conn) error {
		_, err := c.one(func(r row) error { pages = r.int(0); return nil }, "PRAGMA page_count")
		return err
	}))
	if times := float64(pages*pageSize) / float64(content); times > 1.07 {
		t.Errorf("%s is %.3f times as large as its content", path, times)
	}
}

// TestByLeavesLosesNobody: it is the same nodes, and what is no small document
// stays where it is among its like, before them.
func TestByLeavesLosesNobody(t *testing.T) {
	rng := rand.New(rand.NewSource(seed.Of(t)))
	for range 200 {
		var nodes, others []*node
		for i := range rng.Intn(300) {
			n := &node{id: NodeID(i + 1)}
			if rng.Intn(4) > 0 {
				n.pages = map[int64]*page{0: {data: make([]byte, rng.Intn(chunkSize+1)), dirty: rng.Intn(5) > 0}}
			}
			if pg := n.pages[0]; pg == nil || !pg.dirty {
				others = append(others, n)
			}
			nodes = append(nodes, n)
		}
		order := byLeaves(nodes)
		if !slices.Equal(order[:len(others)], others) {
			t.Fatal("what is no small document changed places")
		}
		slices.SortFunc(order, func(x, y *node) int { return int(x.id) - int(y.id) })
		if !slices.Equal(order, nodes) {
			t.Fatalf("%d nodes became %d others", len(nodes), len(order))
		}
	}
}

// TestInLeaf at the edges that the file format has.
func TestInLeaf(t *testing.T) {
	for _, c := range []struct{ size, want int }{
		{0, 15},
		{8151, 8166},              // the largest that fits
		{8152, 9 + 1003 + 4},      // one more: no more than must stay
		{chunkSize, 9 + 1003 + 4}, // a full chunk
	} {
		if got := inLeaf(c.size); got != c.want {
			t.Errorf("%d bytes take %d of a leaf, not %d", c.size, got, c.want)
		}
	}
}
