package spacedb

import (
	"encoding/binary"
	"slices"
)

// The redo log is how a program that waits for an fsync waits for one page. A
// batch that somebody waits for becomes a record in a few rows of a table of
// their own, each of which is just one page of the file; its nodes, entries and
// contents follow with the next commit that nobody waits for, together with those
// of every other record until then. A crash before that leaves the records, and
// the next open carries them out first.
//
// Until it is carried out a batch counts as being committed: memory keeps what
// it holds. So nothing but a crash ever reads the log.
//
// A record counts if its sequence number is greater than the space's, which the
// commit that carries it out sets. So nothing has to be deleted, and rows are
// written over in place; there are as many as were ever needed at a time.

const (
	redoRows  = 256
	redoRow   = pageSize - 35 - 6 // bytes: with header and id all that fits into a leaf
	redoHead  = 8 + 2 + 2 + 2     // sequence number; which part of how many; its size
	redoPart  = redoRow - redoHead
	redoLimit = 16 * redoPart // bytes: a larger batch is better written once
)

// redoLog is what is known of it in memory. Guarded by Store.committing.
type redoLog struct {
	next    int      // row to write
	waiting []*batch // what the records are of
}

// log makes a batch durable as a record of some rows; none if it has to be
// committed instead.
func (s *Store) log(b *batch) (rows int, err error) {
	if !b.redoable() || b.bulky() {
		return 0, nil
	}
	record := b.encode()
	parts := (len(record) + redoPart - 1) / redoPart
	if len(record) > redoLimit || s.redo.next+parts > redoRows {
		return 0, nil
	}
	write := func() error {
		row := make([]byte, redoRow)
		for i := range parts {
			part := record[i*redoPart : min((i+1)*redoPart, len(record))]
			binary.BigEndian.PutUint64(row, b.seq)
			binary.BigEndian.PutUint16(row[8:], uint16(i))
			binary.BigEndian.PutUint16(row[10:], uint16(parts))
			binary.BigEndian.PutUint16(row[12:], uint16(len(part)))
			copy(row[redoHead:], part)
			if err := s.write.exec(`REPLACE INTO redo (id, data) VALUES (?, ?)`, s.redo.next+i, row); err != nil {
				return err
			}
		}
		return nil
	}
	if parts == 1 {
		err = write() // a transaction of its own
	} else {
		err = s.write.inTx(write)
	}
	if err != nil {
		return 0, err
	}
	s.redo.next += parts
	s.redo.waiting = append(s.redo.waiting, b)
	return parts, nil
}

// bulky says, before it is encoded, whether a batch is larger than any record.
func (b *batch) bulky() bool {
	size := int64(len(b.nodes)+len(b.entries)+len(b.journal)) * 32
	for i := range b.chunks {
		size += int64(len(b.chunks[i].data))
		if r := &b.chunks[i]; r.to > 0 {
			size -= int64(len(r.data)) - (r.to - r.from)
		}
	}
	for i := range b.patchRows {
		size += b.patchRows[i].size
	}
	return size > redoLimit
}

// dropRedo commits what waits in the log, and gives its rows back; called with
// committing held.
func (s *Store) dropRedo() error {
	if len(s.redo.waiting) > 0 {
		if err := s.commitOnce(); err != nil {
			return err
		}
	}
	return s.write.exec(`DELETE FROM redo`)
}

// redo carries out what a crash left in the log.
func redo(c *conn) error {
	batches, err := unredone(c)
	if err != nil || len(batches) == 0 {
		return err
	}
	return apply(c, batches)
}

// unredone reads the records that count, in order.
func unredone(c *conn) (batches []*batch, err error) {
	type part struct {
		seq      uint64
		is, of   int
		contents []byte
	}
	var parts []part
	err = c.query(func(r row) error {
		data := r.bytes(0)
		if len(data) != redoRow || int(binary.BigEndian.Uint16(data[12:])) > redoPart {
			return damaged("row %d of the redo log", r.int(1))
		}
		p := part{seq: binary.BigEndian.Uint64(data), is: int(binary.BigEndian.Uint16(data[8:])), of: int(binary.BigEndian.Uint16(data[10:]))}
		if p.seq > uint64(r.int(2)) {
			p.contents = slices.Clone(data[redoHead : redoHead+int(binary.BigEndian.Uint16(data[12:]))])
			parts = append(parts, p)
		}
		return nil
	}, `SELECT data, redo.id, seq FROM redo, space ORDER BY redo.id`)
	if err != nil {
		return nil, err
	}
	for len(parts) > 0 {
		first := parts[0]
		if first.of == 0 || first.of > len(parts) {
			return nil, damaged("a record of the redo log is not complete")
		}
		var record []byte
		for i, p := range parts[:first.of] {
			if p.seq != first.seq || p.is != i {
				return nil, damaged("a record of the redo log is not complete")
			}
			record = append(record, p.contents...)
		}
		parts = parts[first.of:]
		b, err := decodeBatch(record)
		if err != nil {
			return nil, err
		}
		if last := len(batches) - 1; b.seq != first.seq || last >= 0 && b.seq <= batches[last].seq {
			return nil, damaged("the redo log is out of order")
		}
		batches = append(batches, b)
	}
	return batches, nil
}

// complete brings in the rest of a chunk of which a record has only what changed.
func (r *chunkRow) complete(c *conn) error {
	var data []byte
	found, err := c.one(func(r row) error { data = r.bytes(0); return nil }, `SELECT data FROM chunk WHERE id = ? AND base = 0`, r.id)
	if err != nil {
		return err
	}
	end := r.from + int64(len(r.data))
	if !found || r.from < 0 || end > chunkSize {
		return damaged("chunk %d in the redo log", r.id)
	}
	if gap := end - int64(len(data)); gap > 0 {
		data = append(data, make([]byte, gap)...)
	}
	copy(data[r.from:], r.data)
	r.data = data
	return nil
}

// spare leaves out of batches that are carried out together what a later one
// writes over. A node's row is also read, where an entry of it ends.
func spare(batches []*batch) {
	nodes, chunks, journal := map[NodeID]bool{}, map[int64]bool{}, map[NodeID]bool{}
	for _, b := range slices.Backward(batches) {
		b.chunks = slices.DeleteFunc(b.chunks, func(r chunkRow) bool { return chunks[r.id] })
		for i := range b.chunks {
			chunks[b.chunks[i].id] = true
		}
		for _, id := range b.unchunks {
			chunks[id] = true
		}
		b.nodes = slices.DeleteFunc(b.nodes, func(r nodeRow) bool { return nodes[r.id] })
		for i := range b.nodes {
			nodes[b.nodes[i].id] = true
		}
		for _, id := range b.gone {
			nodes[id] = true
		}
		b.journal = slices.DeleteFunc(b.journal, func(r journalRow) bool { return r.parent == 0 && journal[r.node] })
		for i := range b.journal {
			if r := &b.journal[i]; r.parent == 0 {
				journal[r.node] = true
			}
		}
		if len(b.past) > 0 {
			clear(nodes)
		}
	}
}
