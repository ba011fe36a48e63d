package spacedb

// truncate changes the size of content that is held alone; the page that the
// new end falls into must be in memory.
func (t *Tree) truncate(n *node, size int64, now int64) {
	if size < n.size {
		t.discard(n, size, n.size)
	}
	t.resize(n, size)
	t.contentChanged(n, now)
}

// discard makes [from, to) a hole: whole chunks go, the edges, which must be in
// memory, become zeros. Nothing is ever stored beyond the size, so that a
// content can grow again without finding old bytes there.
func (t *Tree) discard(n *node, from, to int64) {
	toEnd := to >= n.size
	for _, idx := range n.storedIn(from/chunkSize, (min(to, n.size)-1)/chunkSize) {
		start := idx * chunkSize
		switch {
		case from <= start && (toEnd || to >= start+chunkSize):
			t.dropChunk(n, idx)
		case toEnd:
			pg := t.store.writable(n, idx)
			pg.whole = true
			if keep := from - start; keep < int64(len(pg.data)) {
				t.store.dirtyBytes.Add(keep - int64(len(pg.data)))
				pg.data = pg.data[:keep:keep]
			}
		default:
			pg := t.store.writable(n, idx)
			pg.whole = true
			end := min(to-start, int64(len(pg.data)))
			if begin := max(from-start, 0); begin < end {
				pg.own()
				clear(pg.data[begin:end])
			}
		}
	}
}

// storedIn lists the stored chunks from first to last, whichever way is shorter.
func (n *node) storedIn(first, last int64) []int64 {
	var stored []int64
	if last-first < int64(len(n.extents)) {
		for idx := first; idx <= last; idx++ {
			if n.chunkAt(idx) != 0 {
				stored = append(stored, idx)
			}
		}
		return stored
	}
	if first == 0 && n.chunk != 0 {
		stored = append(stored, 0)
	}
	for idx := range n.extents {
		if idx >= first && idx <= last {
			stored = append(stored, idx)
		}
	}
	return stored
}

// mostHoles is how much of a content may be holes if it is to have a history: a
// revision has a hash of every byte, zeros included, and an image of 16 TiB that
// holds nothing would keep the sealer, and who unmounts, for hours.
const mostHoles = int64(16) << 30

func (n *node) hollow() bool { return n.size-n.chunks*chunkSize > mostHoles }

// Seek returns where data begins at or after off, or a hole, as lseek(2) does with
// SEEK_DATA and SEEK_HOLE; the end of the content is a hole. ErrNoData says
// that there is none.
func (t *Tree) Seek(id NodeID, off int64, hole bool) (int64, error) {
	s := t.store
	s.lockTree()
	defer s.mu.Unlock()
	n, err := s.node(id)
	switch {
	case err != nil:
		return 0, err
	case !n.isRegular():
		return 0, ErrInvalid
	case off < 0 || off >= n.size:
		return 0, ErrNoData
	}
	if err := s.loadExtents(n); err != nil {
		return 0, err
	}
	idx := off / chunkSize
	if hole {
		for n.chunkAt(idx) != 0 {
			idx++
		}
		return min(max(off, idx*chunkSize), n.size), nil
	}
	if idx = n.storedFrom(idx); idx < 0 {
		return 0, ErrNoData
	}
	return max(off, idx*chunkSize), nil
}

// storedFrom is the first stored chunk from first on, -1 if there is none,
// whichever way is shorter.
func (n *node) storedFrom(first int64) int64 {
	for idx := first; idx <= first+int64(len(n.extents)); idx++ {
		if n.chunkAt(idx) != 0 {
			return idx
		}
	}
	next := int64(-1)
	for idx := range n.extents {
		if idx >= first && (next < 0 || idx < next) {
			next = idx
		}
	}
	return next
}

func (t *Tree) dropChunk(n *node, idx int64) {
	s := t.store
	id := n.chunkAt(idx)
	if id == 0 {
		return
	}
	s.dropPage(n, idx)
	s.unpatch(n, idx)
	n.chunks--
	if idx == 0 {
		n.chunk = 0
	} else {
		delete(n.extents, idx)
		if id != pendingChunk {
			n.punched = append(n.punched, idx)
		}
	}
	if id > n.shared {
		n.freed = append(n.freed, id)
	}
	t.touch(n, dirtyContent)
}

// Allocate is fallocate(2) with mode's flags: keep the size, punch a hole,
// zero a range; with none of them it sees to the size.
func (t *Tree) Allocate(id NodeID, off, length int64, mode uint32) error {
	switch {
	case off < 0 || length <= 0:
		return ErrInvalid
	case mode&^(AllocateKeepSize|AllocatePunchHole|AllocateZeroRange) != 0:
		return ErrUnsupported
	case off+length > MaxSize || off+length < 0:
		return ErrTooLarge
	}
	if err := t.store.waitRoom(); err != nil {
		return err
	}
	return t.store.held(id, true, func(n *node) error {
		s := t.store
		end := off + length
		if err := s.keepSeals(n); err != nil {
			return err
		}
		err := t.changeContent(n, off, end, false)
		defer s.mu.Unlock()
		switch {
		case err != nil:
			return err
		case !n.isRegular():
			return ErrInvalid
		}
		now := t.step()
		if mode&(AllocatePunchHole|AllocateZeroRange) != 0 && off < n.size {
			t.discard(n, off, end)
		}
		if mode&AllocateKeepSize == 0 && end > n.size {
			t.resize(n, end)
		}
		t.contentChanged(n, now)
		return nil
	})
}
