package spacedb

import "encoding/binary"

// A small write into a large content is stored as a patch: the bytes that
// changed, and which range of which chunk they are. A commit then costs what was
// written and not whole chunks, and neither has to be read for it.
//
// A patch names the chunk that it lies over, by id, and counts for exactly as
// long as the content has that chunk in that place. Whoever stores the chunk
// anew gives it a new id, and its patches are void. So no chunk that something
// else shares is ever changed, and a stale row does no harm.
//
// Patches are of one node only: a chunk list that leaves the node, as a revision
// or a copy, takes a content that was folded first. The first chunk has none, so
// that a small document is always stored as it is.

const (
	patchLimit     = chunkSize / 4 // bytes in a patch; a larger change stores the chunk
	patchesInChunk = 16            // so that reading stays cheap
	patchedInChunk = chunkSize / 2 // bytes: past it the chunk is no more to write
	patchRowLimit  = chunkSize     // bytes of patches in a row
)

type patch struct {
	idx, chunk int64 // the chunk it is over
	from, size int64 // within it
	data       []byte
	row        int64 // where it is stored; 0 before its cut
	at         int64 // within that row's data
	void       bool
}

// overlay is a content's patches.
type overlay struct {
	chunks map[int64][]*patch // by index, oldest first
	fresh  []*patch           // not stored yet
	rows   map[int64]int      // how many patches of a stored row count
	spent  []int64            // rows to delete
}

func (n *node) patches(idx int64) []*patch {
	if n.overlay == nil {
		return nil
	}
	return n.overlay.chunks[idx]
}

// patchable says whether a change of size bytes in chunk idx can be a patch.
func (n *node) patchable(idx, size int64) bool {
	if idx == 0 || size > patchLimit || n.staged || n.chunkAt(idx) <= 0 {
		return false
	}
	have := n.patches(idx)
	for _, p := range have {
		size += p.size
	}
	return len(have) < patchesInChunk && size <= patchedInChunk
}

// lay puts a patch over the chunk that is at its index now.
func (n *node) lay(p *patch) {
	if n.overlay == nil {
		n.overlay = &overlay{chunks: map[int64][]*patch{}, rows: map[int64]int{}}
	}
	p.chunk = n.chunkAt(p.idx)
	n.overlay.chunks[p.idx] = append(n.overlay.chunks[p.idx], p)
}

// patch changes a chunk that is not in memory, without reading it.
func (s *Store) patch(n *node, idx, from int64, part []byte) {
	p := &patch{idx: idx, from: from, size: int64(len(part)), data: append([]byte(nil), part...)}
	n.lay(p)
	n.overlay.fresh = append(n.overlay.fresh, p)
	s.dirtyBytes.Add(p.size)
}

// unpatch makes a chunk's patches void: it goes, or is stored anew with another id.
func (s *Store) unpatch(n *node, idx int64) {
	for _, p := range n.patches(idx) {
		p.void = true
		if p.row == 0 {
			s.dirtyBytes.Add(-p.size)
			continue
		}
		o := n.overlay
		if o.rows[p.row]--; o.rows[p.row] == 0 {
			delete(o.rows, p.row)
			o.spent = append(o.spent, p.row)
		}
	}
	if n.overlay != nil {
		delete(n.overlay.chunks, idx)
	}
}

// patchRow is some patches of a node; parts are their bytes.
type patchRow struct {
	id     int64
	node   NodeID
	ranges []byte
	parts  [][]byte
	size   int64
}

// cutPatches gives patches that are not stored yet their rows, and spans, which
// are those of pages in memory, after them.
func (s *Store) cutPatches(b *batch, n *node, spans []*patch) {
	o := n.overlay
	if o == nil {
		return
	}
	b.unpatched = append(b.unpatched, o.spent...)
	o.spent = nil
	fresh := o.fresh
	o.fresh = nil
	for _, p := range fresh {
		if !p.void {
			b.bytes += p.size
		}
	}
	var row *patchRow
	for _, p := range append(fresh, spans...) {
		if p.void {
			continue
		}
		if row == nil || row.size+p.size > patchRowLimit {
			s.last.chunk++ // of one sequence with the chunks: their order is that of time
			b.patchRows = append(b.patchRows, patchRow{id: s.last.chunk, node: n.id})
			row = &b.patchRows[len(b.patchRows)-1]
		}
		p.row, p.at = row.id, row.size
		o.rows[row.id]++
		for _, v := range []int64{p.idx, p.chunk, p.from, p.size} {
			row.ranges = binary.AppendUvarint(row.ranges, uint64(v))
		}
		row.parts = append(row.parts, p.data)
		row.size += p.size
		b.patches = append(b.patches, p)
	}
	if len(o.chunks) == 0 {
		n.overlay = nil
	}
}

func (b *batch) applyPatches(c *conn) error {
	for _, id := range b.unpatched {
		if err := c.exec(`DELETE FROM patch WHERE id = ?`, id); err != nil {
			return err
		}
	}
	var data []byte
	for i := range b.patchRows {
		r := &b.patchRows[i]
		data = data[:0]
		for _, part := range r.parts {
			data = append(data, part...)
		}
		if err := c.exec(`INSERT INTO patch (id, node, ranges, data) VALUES (?, ?, ?, ?)`, r.id, r.node, r.ranges, data); err != nil {
			return err
		}
	}
	return nil
}

// loadPatches hands fn a content's patches, oldest first, void ones included.
func (c *conn) loadPatches(id NodeID, fn func(patch)) error {
	return c.query(func(r row) error {
		at := int64(0)
		for ranges := r.bytes(1); len(ranges) > 0; {
			p := patch{row: r.int(0), at: at}
			for _, v := range []*int64{&p.idx, &p.chunk, &p.from, &p.size} {
				u, size := binary.Uvarint(ranges)
				if size <= 0 || u > uint64(MaxSize) {
					return damaged("patch %d of node %d", r.int(0), id)
				}
				*v, ranges = int64(u), ranges[size:]
			}
			if p.idx == 0 || p.size == 0 || p.from+p.size > chunkSize {
				return damaged("patch %d of node %d", r.int(0), id)
			}
			at += p.size
			fn(p)
		}
		return nil
	}, `SELECT id, ranges FROM patch WHERE node = ? ORDER BY id`, id)
}

// loadOverlay reads what lies over a content whose extents were just read.
func (s *Store) loadOverlay(n *node) error {
	err := s.meta.loadPatches(n.id, func(p patch) {
		if n.chunkAt(p.idx) == p.chunk {
			n.lay(&p)
			n.overlay.rows[p.row]++
		}
	})
	if err != nil {
		n.overlay = nil
	}
	return err
}

// overlay brings dest, which holds a chunk's bytes from offset from on, up to
// date.
func (c *conn) overlay(dest []byte, from int64, patches []patch) error {
	for _, p := range patches {
		begin, end := max(p.from, from), min(p.from+p.size, from+int64(len(dest)))
		if begin >= end {
			continue
		}
		put := func(data []byte) { copy(dest[begin-from:end-from], data[begin-p.from:]) }
		if p.data != nil {
			put(p.data)
			continue
		}
		found, err := c.one(func(r row) error {
			data := r.bytes(0)
			if int64(len(data)) < p.at+p.size {
				return damaged("patch %d has %d bytes", p.row, len(data))
			}
			put(data[p.at : p.at+p.size])
			return nil
		}, `SELECT data FROM patch WHERE id = ?`, p.row)
		if err == nil && !found {
			err = damaged("patch %d is missing", p.row)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// values copies patches, for who goes on without mu.
func values(patches []*patch) []patch {
	if len(patches) == 0 {
		return nil
	}
	list := make([]patch, len(patches))
	for i, p := range patches {
		list[i] = *p
	}
	return list
}
