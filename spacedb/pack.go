package spacedb

import (
	"context"
)

// History is packed: what a document held before is stored as its difference
// from what it held next. That is how people save, often and little. What is
// current is never packed, so that it is read at once, also with any SQLite
// tool.
//
// A packed chunk is a zstd frame (RFC 8878) whose dictionary is the content of
// its base, a chunk with a greater id; chains of bases therefore end. A chunk on
// which a chain of others hangs already is packed without a base, so that they
// end soon.

// The bases that are no chunk.
const (
	baseNone  = 0  // the chunk is stored as it is
	baseAlone = -1 // it is packed by itself
)

const (
	packChain = 32  // chunks of which one is packed by itself
	packLeast = 512 // bytes; less is not worth a dictionary
	packBatch = 64  // revisions between two notes to the log
	packGain  = 8   // at least an eighth must go
)

// supersession: revision old of a document was followed by revision next.
type supersession struct{ old, next int64 }

// packSuperseded packs what only history has since it was last called. What a
// crash makes it forget stays as it is, and is as good.
func (s *Store) packSuperseded(ctx context.Context) error {
	s.packing.Lock()
	defer s.packing.Unlock()
	for {
		s.mu.Lock()
		now := s.superseded[:min(len(s.superseded), packBatch)]
		s.mu.Unlock()
		if len(now) == 0 {
			return nil
		}
		if s.committed.Load() >= s.packedAt {
			clear(s.hanging)
		}
		var statements []statement
		err := s.reading(func(c *conn) error {
			p := packer{c, s.hanging}
			for _, old := range now {
				packed, err := p.pack(old)
				if err != nil {
					return err
				}
				statements = append(statements, packed...)
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.superseded = s.superseded[len(now):]
		if len(statements) > 0 {
			s.recordLocked(statements...)
			s.packedAt = s.seq
		}
		s.mu.Unlock()
	}
}

// packer packs what one commit will store.
type packer struct {
	conn *conn
	// hanging is how long the chain is that hangs on a chunk, as far as the file
	// does not say so yet.
	hanging map[int64]int
}

// pack encodes the chunks of a revision that the next one does not share.
func (p packer) pack(over supersession) (statements []statement, err error) {
	c := p.conn
	old, err := c.chunksOf(over.old)
	if err != nil {
		return nil, err
	}
	next, err := c.chunksOf(over.next)
	if err != nil {
		return nil, err
	}
	for idx, id := range old {
		if next[idx] == id {
			continue
		}
		if copied, err := c.one(func(row) error { return nil }, `SELECT 1 FROM copied WHERE chunk = ?`, id); err != nil {
			return nil, err
		} else if copied {
			continue
		}
		hanging, err := p.hangingOn(id)
		if err != nil {
			return nil, err
		}
		base := next[idx]
		if base <= id || hanging >= packChain-1 {
			base = baseAlone
		}
		packed, base, err := c.packChunk(id, base)
		if err != nil {
			return nil, err
		}
		if packed != nil {
			if base > 0 {
				p.hanging[base] = max(p.hanging[base], hanging+1)
			}
			// Not UPDATE: SQLite joins a page that became empty with its neighbour
			// only when a row is deleted.
			statements = append(statements,
				statement{`DELETE FROM chunk WHERE id = ?`, []any{id}},
				statement{`INSERT INTO chunk (id, base, data) VALUES (?, ?, ?)`, []any{id, base, packed}})
		}
	}
	return statements, nil
}

// hangingOn is how many chunks, one packed against the other, the last of them
// against this one, need it to be read: as many as make a chain, at most.
func (p packer) hangingOn(id int64) (n int, err error) {
	level := []int64{id}
	for n < packChain {
		var next []int64
		for _, id := range level {
			err := p.conn.query(func(r row) error { next = append(next, r.int(0)); return nil },
				`SELECT id FROM chunk WHERE base = ? AND base > 0`, id)
			if err != nil {
				return 0, err
			}
		}
		if level = next; len(level) == 0 {
			break
		}
		n++
	}
	return max(n, p.hanging[id]), nil
}

// chunksOf is the chunk list of a document's revision; symlinks have none that
// matter.
func (c *conn) chunksOf(revision int64) (chunks map[int64]int64, err error) {
	_, err = c.one(func(r row) (err error) {
		if uint32(r.int(0))&TypeMask == TypeRegular {
			chunks, err = unpackChunks(r.bytes(1))
		}
		return err
	}, `SELECT mode, chunks FROM revision WHERE id = ?`, revision)
	return chunks, err
}

// packChunk returns nil when packing gains too little.
func (c *conn) packChunk(id, base int64) (packed []byte, with int64, err error) {
	content, packedAlready, err := c.chunk(id, 0)
	if err != nil || packedAlready || len(content) < packLeast {
		return nil, 0, err
	}
	var from []byte
	if base > 0 {
		if from, _, err = c.chunk(base, 0); err != nil {
			return nil, 0, err
		}
	}
	if len(from) < packLeast {
		base, from = baseAlone, nil
	}
	packed, err = encodeChunk(content, from)
	if err != nil || len(packed) > len(content)-len(content)/packGain {
		return nil, 0, err
	}
	return packed, base, nil
}

// encodeAgainst encodes a content in any case: as it is, if packing gains too
// little.
func (c *conn) encodeAgainst(content []byte, base int64) (data []byte, with int64, err error) {
	var from []byte
	if base > 0 {
		if from, _, err = c.chunk(base, 0); err != nil {
			return nil, 0, err
		}
	}
	if len(from) < packLeast {
		base, from = baseAlone, nil
	}
	packed, err := encodeChunk(content, from)
	if err == nil && len(packed) > len(content)-len(content)/packGain {
		return content, baseNone, nil
	}
	return packed, base, err
}
