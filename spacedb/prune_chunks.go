package spacedb

import "errors"

// Where a prune leaves the chunks: those that only what goes has go too, and
// what stays is readable without them.

// borrowing is a place in a content whose chunk only revisions have that go.
type borrowing struct {
	node  NodeID
	idx   int64
	chunk int64
}

// borrowed lists them. A copy shares the chunks of what it was made of, and while
// it has no revision of its own, as junk never has, nobody else keeps them.
func (p *pruner) borrowed() (list []borrowing, err error) {
	going := bitmap{}
	for _, d := range p.todo {
		for _, packed := range d.chunks {
			chunks, err := unpackChunks(packed)
			if err != nil {
				return nil, err
			}
			for _, id := range chunks {
				if !p.used.has(id) {
					going.put(id)
				}
			}
		}
	}
	err = p.v.conn.query(func(r row) error {
		if is := (borrowing{NodeID(r.int(0)), r.int(1), r.int(2)}); going.has(is.chunk) {
			list = append(list, is)
		}
		return nil
	}, `SELECT id, 0, chunk FROM node WHERE chunk IN (SELECT chunk FROM copied) UNION ALL SELECT node, idx, chunk FROM extent WHERE chunk IN (SELECT chunk FROM copied)`)
	return list, err
}

// ownChunks stores them anew for the nodes that have them. Left as they are they
// would be deleted with no node: none takes a shared chunk for its own.
func (p *pruner) ownChunks(borrowed []borrowing) error {
	for _, b := range borrowed {
		err := p.store.waitRoom()
		if err == nil {
			err = p.store.storeAnew(b.node, b.idx, b.chunk)
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		p.moved.put(b.chunk)
	}
	return nil
}

// repack gives what stays and is packed against a chunk that goes another base:
// the next one of its chain that stays.
func (p *pruner) repack(going int64) (list []statement, err error) {
	for _, id := range p.against[going] {
		if !p.used.has(id) {
			continue // it goes itself
		}
		base := p.bases[going]
		for base > 0 && !p.used.has(base) {
			base = p.bases[base]
		}
		if base <= 0 {
			base = baseAlone
		}
		content, _, err := p.v.conn.chunk(id, 0)
		if err != nil {
			return nil, err
		}
		packed, with, err := p.v.conn.encodeAgainst(content, base)
		if err != nil {
			return nil, err
		}
		list = append(list,
			statement{`DELETE FROM chunk WHERE id = ?`, []any{id}},
			statement{`INSERT INTO chunk (id, base, data) VALUES (?, ?, ?)`, []any{id, with, packed}})
	}
	return list, nil
}

// use marks a revision's chunks as needed.
func (p *pruner) use(packed []byte) error {
	chunks, err := unpackChunks(packed)
	for _, id := range chunks {
		p.used.put(id)
	}
	return err
}

func (p *pruner) drop(packed []byte) error {
	chunks, err := unpackChunks(packed)
	for _, id := range chunks {
		if !p.used.has(id) && !p.dropped.has(id) {
			p.dropped.put(id)
			if !p.moved.has(id) {
				p.result.Bytes += p.sizes[id]
			}
		}
	}
	return err
}

// markTree marks the chunks of what is in the tree.
func (p *pruner) markTree() error {
	mark := func(r row) error { p.used.put(r.int(0)); return nil }
	if err := p.v.conn.query(mark, `SELECT chunk FROM node WHERE chunk > 0`); err != nil {
		return err
	}
	return p.v.conn.query(mark, `SELECT chunk FROM extent`)
}

// readChunks learns which chunks are packed against which.
func (p *pruner) readChunks() error {
	p.bases, p.against, p.sizes = map[int64]int64{}, map[int64][]int64{}, map[int64]int64{}
	err := p.v.conn.query(func(r row) error {
		id, base := r.int(0), r.int(1)
		if base != baseNone {
			p.bases[id] = base
		}
		if base > 0 && !p.used.has(base) {
			p.against[base] = append(p.against[base], id)
		}
		if !p.used.has(id) {
			p.sizes[id] = r.int(2)
		}
		return p.ctx.Err()
	}, `SELECT id, base, length(data) FROM chunk`)
	return err
}

// bitmap is a set of chunk ids, which are dense.
type bitmap map[int64]uint64

func (b bitmap) put(id int64)      { b[id>>6] |= 1 << (id & 63) }
func (b bitmap) has(id int64) bool { return b[id>>6]&(1<<(id&63)) != 0 }
