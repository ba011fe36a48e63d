package spacedb

import (
	"context"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// History is packed: what a document held before is stored as its difference
// from what it held next. That is how people save, often and little. What is
// current is never packed, so that it is read at once, also with any SQLite
// tool.
//
// A packed chunk is a zstd frame (RFC 8878) whose dictionary is the content of
// its base, a chunk with a greater id; chains of bases therefore end. Every so
// often a revision is packed without a base, so that they end soon.

// The bases that are no chunk.
const (
	baseNone  = 0  // the chunk is stored as it is
	baseAlone = -1 // it is packed by itself
)

const (
	packEvery  = 32            // revisions between two that need no other
	maxChain   = 4 * packEvery // more than any chain of ours
	packLeast  = 512           // bytes; less is not worth a dictionary
	packBatch  = 64            // revisions between two notes to the log
	packMemory = 4 * chunkSize // of a decoder: a frame holds a chunk at most
	dictionary = 1             // the id that frames give for their base
	packGain   = 8             // at least an eighth must go
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
		var statements []statement
		err := s.reading(func(c *conn) error {
			for _, p := range now {
				packed, err := c.pack(p)
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
		}
		s.mu.Unlock()
	}
}

// pack encodes the chunks of a revision that the next one does not share.
func (c *conn) pack(p supersession) (statements []statement, err error) {
	old, number, err := c.chunksOf(p.old)
	if err != nil {
		return nil, err
	}
	next, _, err := c.chunksOf(p.next)
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
		base := next[idx]
		if base <= id || number%packEvery == 0 {
			base = baseAlone
		}
		packed, base, err := c.packChunk(id, base)
		if err != nil {
			return nil, err
		}
		if packed != nil {
			// Not UPDATE: SQLite joins a page that became empty with its neighbour
			// only when a row is deleted.
			statements = append(statements,
				statement{`DELETE FROM chunk WHERE id = ?`, []any{id}},
				statement{`INSERT INTO chunk (id, base, data) VALUES (?, ?, ?)`, []any{id, base, packed}})
		}
	}
	return statements, nil
}

// chunksOf is the chunk list of a document's revision; symlinks have none that
// matter.
func (c *conn) chunksOf(revision int64) (chunks map[int64]int64, number int64, err error) {
	_, err = c.one(func(r row) (err error) {
		number = r.int(0)
		if uint32(r.int(1))&TypeMask == TypeRegular {
			chunks, err = unpackChunks(r.bytes(2))
		}
		return err
	}, `SELECT number, mode, chunks FROM revision WHERE id = ?`, revision)
	return chunks, number, err
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

// chunk returns a stored chunk's content, unpacked, in memory of its own.
func (c *conn) chunk(id int64, depth int) (content []byte, packed bool, err error) {
	if depth > maxChain {
		return nil, false, damaged("chunk %d is packed too deep", id)
	}
	var base int64
	found, err := c.one(func(r row) error {
		base = r.int(0)
		content = append(content, r.bytes(1)...)
		return nil
	}, `SELECT base, data FROM chunk WHERE id = ?`, id)
	switch {
	case err != nil:
		return nil, false, err
	case !found:
		return nil, false, damaged("chunk %d is missing", id)
	case base == baseNone:
		return content, false, nil
	case base != baseAlone && base <= id:
		return nil, false, damaged("chunk %d is packed against chunk %d", id, base)
	}
	var from []byte
	if base > 0 {
		if from, _, err = c.chunk(base, depth+1); err != nil {
			return nil, false, err
		}
	}
	if content, err = decodeChunk(content, from); err != nil {
		return nil, false, damaged("chunk %d cannot be unpacked: %v", id, err)
	}
	return content, true, nil
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

func encodeChunk(content, base []byte) ([]byte, error) {
	options := []zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(2 * chunkSize), zstd.WithEncoderCRC(false)}
	if len(base) > 0 {
		options = append(options, zstd.WithEncoderDictRaw(dictionary, base))
	}
	enc, err := zstd.NewWriter(nil, options...)
	if err != nil {
		return nil, err
	}
	defer enc.Close()
	return enc.EncodeAll(content, nil), nil
}

func decodeChunk(packed, base []byte) ([]byte, error) {
	options := []zstd.DOption{zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(packMemory)}
	if len(base) > 0 {
		options = append(options, zstd.WithDecoderDictRaw(dictionary, base))
	}
	dec, err := zstd.NewReader(nil, options...)
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	content, err := dec.DecodeAll(packed, nil)
	if err == nil && len(content) > chunkSize {
		err = fmt.Errorf("%d bytes", len(content))
	}
	return content, err
}
