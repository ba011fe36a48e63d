package spacedb

import "container/list"

// page is a chunk in memory.
type page struct {
	data  []byte // at most chunkSize
	dirty bool   // waits for a commit
	// What changed since the page was last clean: all of it, or from lo to hi.
	whole  bool
	lo, hi int64
	frozen bool          // a commit is reading data: change another page
	fixed  int64         // so many bytes of data are those of one that was frozen: change a copy
	queued *list.Element // its place in the queue of clean pages, if any
	node   *node
	idx    int64
}

// pageQueue is the clean pages in memory, oldest first; they are kept for who
// reads, hashes or appends next, up to cleanLimit bytes.
type pageQueue struct {
	pages list.List // of *page
	bytes int64
}

const cleanLimit = 32 << 20

func (s *Store) putPage(n *node, idx int64) *page {
	if n.pages == nil {
		n.pages = map[int64]*page{}
	}
	pg := &page{node: n, idx: idx}
	n.pages[idx] = pg
	return pg
}

// writable returns the page to change; the caller says what changes. One that a
// commit is reading is replaced by another; the commit keeps the old one.
func (s *Store) writable(n *node, idx int64) *page {
	pg := n.pages[idx]
	switch {
	case pg == nil:
		pg = s.putPage(n, idx)
		pg.whole = true
		if n.chunkAt(idx) == 0 {
			n.chunks++
			n.setChunk(idx, pendingChunk)
		}
	case pg.frozen:
		old := pg
		pg = s.putPage(n, idx)
		pg.data, pg.fixed = old.data, int64(len(old.data)) // who appends needs no copy
	case pg.queued != nil:
		s.unqueue(pg)
	}
	if !pg.dirty {
		pg.dirty = true
		pg.lo, pg.hi = chunkSize, 0
		s.dirtyBytes.Add(int64(len(pg.data)))
	}
	return pg
}

// put writes part into a page that is writable.
func (s *Store) put(pg *page, from int64, part []byte) {
	if from < pg.fixed {
		pg.own()
	}
	before := int64(len(pg.data))
	if gap := from - before; gap > 0 {
		pg.data = append(pg.data, make([]byte, gap)...)
	}
	// Appending clears nothing that is written over at once.
	pg.data = append(pg.data, part[copy(pg.data[from:], part):]...)
	s.dirtyBytes.Add(int64(len(pg.data)) - before)
	pg.changed(from, from+int64(len(part)))
}

// own comes before bytes that are there already change.
func (pg *page) own() {
	if pg.fixed > 0 {
		pg.data, pg.fixed = append([]byte(nil), pg.data...), 0
	}
}

func (pg *page) changed(from, to int64) {
	pg.lo, pg.hi = min(pg.lo, from), max(pg.hi, to)
}

// span is what changed as a patch, nil when the chunk is to be stored: it must
// when a revision is about to share it.
func (pg *page) span() *patch {
	if pg.whole || pg.node.sealed || len(pg.node.seals) > 0 || pg.lo >= pg.hi || !pg.node.patchable(pg.idx, pg.hi-pg.lo) {
		return nil
	}
	return &patch{idx: pg.idx, from: pg.lo, size: pg.hi - pg.lo, data: pg.data[pg.lo:pg.hi:pg.hi]}
}

// pendingChunk stands for a chunk that has content but no id before its cut.
const pendingChunk = -1

// dropPage forgets a page. A commit that is writing it keeps its own hands on it.
func (s *Store) dropPage(n *node, idx int64) {
	pg := n.pages[idx]
	if pg == nil {
		return
	}
	s.unqueue(pg)
	if pg.dirty {
		s.dirtyBytes.Add(-int64(len(pg.data)))
	}
	delete(n.pages, idx)
}

func (s *Store) queueClean(pg *page) {
	s.unqueue(pg)
	pg.queued = s.clean.pages.PushBack(pg)
	s.clean.bytes += int64(len(pg.data))
	for s.clean.bytes > cleanLimit {
		old := s.clean.pages.Front().Value.(*page)
		s.unqueue(old)
		if old.node.pages[old.idx] == old {
			s.dropPage(old.node, old.idx)
		}
	}
}

// unqueue is called whenever a page is written to or dropped: what is in the
// queue holds on to its content and its node.
func (s *Store) unqueue(pg *page) {
	if pg.queued != nil {
		s.clean.pages.Remove(pg.queued)
		pg.queued = nil
		s.clean.bytes -= int64(len(pg.data))
	}
}
