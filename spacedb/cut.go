package spacedb

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
)

// batch is a consistent cut: everything that was dirty at one moment, as rows.
// Deciding what to write happens here, under Store.mu and without SQL; writing
// it happens in apply.go, without the lock.
type batch struct {
	seq   uint64 // the last operation it covers
	bytes int64  // of content
	last  counters
	usage Usage
	clean bool

	nodes     []nodeRow
	gone      []NodeID
	entries   []entryRow
	chunks    []chunkRow
	unchunks  []int64
	patchRows []patchRow
	unpatched []int64
	extents   []extentRow
	holes     []extentRow
	seals     []revisionRow
	journal   []journalRow
	past      []pastRow
	moment    momentRow
	records   records

	pages   []*page  // frozen for this batch
	patches []*patch // stored by it
	owner   []*node  // nodes in it
}

type nodeRow struct {
	id                    NodeID
	mode, nlink, uid, gid uint32
	rdev                  uint32
	size                  int64
	atime, mtime, ctime   int64
	btime                 int64
	version               uint64
	chunk, chunks, shared int64
	history               history
	sealed                bool
	xattrs                int
}

type entryRow struct {
	parent NodeID
	name   string
	node   NodeID // 0: delete
	since  uint64
}

type chunkRow struct {
	id   int64
	data []byte
	// Of a chunk that was stored before: what changed, and nothing else if to > 0.
	from, to int64
	part     bool // data is only that, as a record of the redo log has it
}

type extentRow struct {
	node       NodeID
	idx, chunk int64
}

type revisionRow struct {
	sealing
	mode   uint32
	mtime  int64
	size   int64
	chunks []byte
}

type journalRow struct {
	seq    uint64
	time   int64
	by     Actor
	node   NodeID
	parent NodeID
	name   string
}

// records are rows that belong to no node in memory.
type records struct {
	xattrs     map[xattrKey][]byte // nil value: delete
	statements []statement         // in order
}

type statement struct {
	query string
	args  []any
}

func (r *records) add(query string, args ...any) {
	r.statements = append(r.statements, statement{query, args})
}

func (r *records) setXattr(k xattrKey, value []byte) {
	if r.xattrs == nil {
		r.xattrs = map[xattrKey][]byte{}
	}
	r.xattrs[k] = value
}

// cut takes everything that is dirty. It is called with mu held and a commit
// of its own.
func (s *Store) cut() *batch {
	b := &batch{seq: s.seq, records: s.pending}
	s.pending = records{}
	now := s.now()
	// In the order in which nodes were made: chunks that are read together lie
	// together, and the rows of every table come page by page.
	dirty := slices.SortedFunc(maps.Keys(s.dirty), func(x, y *node) int { return cmp.Compare(x.id, y.id) })
	for _, n := range byLeaves(dirty) {
		if sabotage == "no order" && n.isRegular() && now%3 == 0 {
			continue
		}
		s.cutNode(b, n, now)
		delete(s.dirty, n)
	}
	for k := range b.records.xattrs {
		if n := s.nodes[k.node]; n == nil || n.gone { // they go with it
			delete(b.records.xattrs, k)
		}
	}
	slices.SortFunc(b.nodes, func(x, y nodeRow) int { return cmp.Compare(x.id, y.id) })
	slices.SortFunc(b.journal, func(x, y journalRow) int { return cmp.Compare(x.seq, y.seq) })
	// Revisions are numbered in the order in which they were sealed.
	slices.SortFunc(b.seals, func(x, y revisionRow) int { return cmp.Compare(x.revision, y.revision) })
	if len(b.entries) > 0 {
		b.moment = s.moments.next(b.seq, now)
	}
	b.last, b.usage, b.clean = s.last, s.Usage(), s.cleanly
	s.inFlight = &b.records
	return b
}

func (s *Store) cutNode(b *batch, n *node, now int64) {
	bits := n.dirty
	n.dirty = 0
	if n.gone && !n.stored && len(n.seals) == 0 {
		// Made and gone between two commits: it never was.
		s.freePages(n)
		delete(s.nodes, n.id)
		return
	}
	b.owner = append(b.owner, n)
	n.inFlight++
	n.stored = true
	if bits&dirtyEntries != 0 {
		s.cutEntries(b, n, now)
	}
	if bits&dirtyContent != 0 || len(n.seals) > 0 {
		s.cutContent(b, n)
	}
	for _, seal := range n.seals {
		b.seals = append(b.seals, revisionRow{seal, n.mode, n.mtime, n.size, packChunks(n)})
		n.shared = s.last.chunk
	}
	n.seals = nil
	if n.gone {
		s.cutGone(b, n)
		return
	}
	if bits&dirtyJournal != 0 && n.nlink > 0 {
		b.journal = append(b.journal, journalRow{seq: n.at, time: now, by: n.by, node: n.id})
	}
	b.nodes = append(b.nodes, nodeRow{
		id: n.id, mode: n.mode, nlink: n.nlink, uid: n.uid, gid: n.gid, rdev: n.rdev, size: n.size,
		atime: n.atime, mtime: n.mtime, ctime: n.ctime, btime: n.btime, version: n.version,
		chunk: n.chunk, chunks: n.chunks, shared: n.shared, history: n.history, sealed: n.sealed, xattrs: n.xattrs,
	})
}

func (s *Store) cutEntries(b *batch, d *node, now int64) {
	for _, name := range slices.Sorted(maps.Keys(d.dir.changed)) {
		c, id := d.dir.changed[name], d.dir.entries[name]
		b.entries = append(b.entries, entryRow{d.id, name, id, c.at})
		if c.lapsed && !s.junkName(name) {
			b.past = append(b.past, pastRow{d.id, name, c.at, c.by, c.document})
		}
		b.journal = append(b.journal, journalRow{seq: c.at, time: now, by: c.by, node: id, parent: d.id, name: name})
	}
	d.dir.changed = nil
}

// cutContent gives dirty pages their chunk ids and freezes them. A chunk that
// a revision may use is not touched: the page gets a new one.
func (s *Store) cutContent(b *batch, n *node) {
	for _, idx := range n.punched {
		b.holes = append(b.holes, extentRow{node: n.id, idx: idx})
	}
	b.unchunks = append(b.unchunks, n.freed...)
	n.punched, n.freed = nil, nil
	if n.gone && len(n.seals) == 0 {
		return
	}
	for _, idx := range n.copied {
		if id := n.chunkAt(idx); id > 0 { // else it was written over or punched since
			b.extents = append(b.extents, extentRow{n.id, idx, id})
		}
	}
	n.copied = nil
	var spans []*patch
	for _, pg := range n.dirtyPages() {
		idx := pg.idx
		if p := pg.span(); p != nil {
			n.lay(p)
			spans = append(spans, p)
		} else {
			row := chunkRow{data: pg.data}
			before := n.chunkAt(idx)
			if row.id = s.cutChunk(b, n, idx); row.id == before && !pg.whole && pg.lo < pg.hi {
				row.from, row.to = pg.lo, pg.hi
			}
			b.chunks = append(b.chunks, row)
		}
		pg.dirty, pg.whole, pg.frozen = false, false, true
		b.pages = append(b.pages, pg)
		b.bytes += int64(len(pg.data))
	}
	s.cutPatches(b, n, spans)
}

// dirtyPages are in the order of the content.
func (n *node) dirtyPages() (list []*page) {
	for _, pg := range n.pages {
		if pg.dirty {
			list = append(list, pg)
		}
	}
	slices.SortFunc(list, func(x, y *page) int { return cmp.Compare(x.idx, y.idx) })
	return list
}

// cutChunk is the id under which a chunk is stored anew.
func (s *Store) cutChunk(b *batch, n *node, idx int64) int64 {
	id := n.chunkAt(idx)
	patched := len(n.patches(idx)) > 0
	if id > n.shared && !patched {
		return id
	}
	if id > n.shared {
		b.unchunks = append(b.unchunks, id)
	}
	s.unpatch(n, idx)
	s.last.chunk++
	n.setChunk(idx, s.last.chunk)
	if idx > 0 {
		b.extents = append(b.extents, extentRow{n.id, idx, s.last.chunk})
	}
	return s.last.chunk
}

// cutGone removes what only this node used.
func (s *Store) cutGone(b *batch, n *node) {
	b.gone = append(b.gone, n.id)
	if n.overlay != nil {
		for row := range n.overlay.rows {
			b.unpatched = append(b.unpatched, row)
		}
		b.unpatched = append(b.unpatched, n.overlay.spent...)
	}
	if n.chunk > n.shared {
		b.unchunks = append(b.unchunks, n.chunk)
	}
	for _, id := range n.extents {
		if id > n.shared {
			b.unchunks = append(b.unchunks, id)
		}
	}
}

func (s *Store) freePages(n *node) {
	for idx := range n.pages {
		s.dropPage(n, idx)
	}
	if n.overlay != nil {
		for _, p := range n.overlay.fresh {
			if !p.void {
				s.dirtyBytes.Add(-p.size)
			}
		}
		n.overlay = nil
	}
}

// packChunks is a revision's chunk list: for each stored chunk, in order, how
// many chunks were skipped before it (unsigned varint) and how far its id is
// from the one before (signed varint).
func packChunks(n *node) []byte {
	list := make([]extentRow, 0, n.chunks)
	if n.chunk != 0 {
		list = append(list, extentRow{idx: 0, chunk: n.chunk})
	}
	for idx, id := range n.extents {
		list = append(list, extentRow{idx: idx, chunk: id})
	}
	slices.SortFunc(list, func(x, y extentRow) int { return cmp.Compare(x.idx, y.idx) })
	packed := make([]byte, 0, 3*len(list)+4)
	next, last := int64(0), int64(0)
	for _, e := range list {
		packed = binary.AppendUvarint(packed, uint64(e.idx-next))
		packed = binary.AppendVarint(packed, e.chunk-last)
		next, last = e.idx+1, e.chunk
	}
	return packed
}

// unpackChunks is packChunks' inverse; it refuses a list that no packChunks made.
func unpackChunks(packed []byte) (map[int64]int64, error) {
	chunks := map[int64]int64{}
	next, last := int64(0), int64(0)
	for len(packed) > 0 {
		skip, size := binary.Uvarint(packed)
		if size <= 0 || skip > uint64(MaxSize/chunkSize) {
			return nil, damaged("chunk list")
		}
		packed = packed[size:]
		step, size := binary.Varint(packed)
		if size <= 0 {
			return nil, damaged("chunk list")
		}
		packed = packed[size:]
		idx, id := next+int64(skip), last+step
		if idx > MaxSize/chunkSize || id <= 0 {
			return nil, damaged("chunk list")
		}
		chunks[idx] = id
		next, last = idx+1, id
	}
	return chunks, nil
}
