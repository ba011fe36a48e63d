package spacedb

import (
	"fmt"
	"io"
)

// ContentRef is where the content of an item is; small, for who remembers many.
type ContentRef struct {
	node  NodeID
	chunk int64
	size  int64
}

// Ref is where the content of a document is.
func (it Item) Ref() ContentRef { return ContentRef{it.Attr.ID, it.chunk, it.Attr.Size} }

// ReadContent fills dest, which is as long as the content.
func (v *Snapshot) ReadContent(ref ContentRef, dest []byte) error {
	if v.past == nil && ref.size <= chunkSize && ref.chunk != 0 {
		return v.conn.copyChunk(dest, ref.chunk, 0)
	}
	content, err := v.Content(ref)
	if err == nil {
		_, err = io.ReadFull(content, dest)
	}
	return err
}

// Content reads what an item of this snapshot holds: as Open does, and quicker
// when it is small.
func (v *Snapshot) Content(ref ContentRef) (io.ReadSeeker, error) {
	if v.past != nil || ref.size > chunkSize {
		return v.Open(ref.node)
	}
	chunks := map[int64]int64{}
	if ref.chunk != 0 {
		chunks[0] = ref.chunk
	}
	return &contentReader{conn: v.conn, chunks: chunks, size: ref.size}, nil
}

// Open reads the content of a document of this snapshot; it is valid until the
// snapshot closes.
func (v *Snapshot) Open(id NodeID) (io.ReadSeeker, error) {
	if v.past != nil {
		return v.openPast(id)
	}
	var n *node
	found, err := v.conn.one(func(r row) (err error) {
		n, err = scanNode(r)
		return err
	}, `SELECT `+nodeColumns+` FROM node WHERE id = ?`, id)
	if err == nil && !found {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	chunks := map[int64]int64{}
	if n.chunk != 0 {
		chunks[0] = n.chunk
	}
	if n.size > chunkSize {
		err = v.conn.query(func(r row) error {
			chunks[r.int(0)] = r.int(1)
			return nil
		}, `SELECT idx, chunk FROM extent WHERE node = ?`, id)
	}
	if err != nil {
		return nil, err
	}
	r := &contentReader{conn: v.conn, chunks: chunks, size: n.size}
	if n.size > chunkSize { // as the extents: the first chunk may be a hole
		r.patches = map[int64][]patch{}
		err = v.conn.loadPatches(id, func(p patch) {
			if chunks[p.idx] == p.chunk {
				r.patches[p.idx] = append(r.patches[p.idx], p)
			}
		})
	}
	return r, err
}

// contentReader reads chunks from a connection.
type contentReader struct {
	conn    *conn
	chunks  map[int64]int64
	patches map[int64][]patch
	size    int64
	off     int64
}

func (r *contentReader) Read(p []byte) (int, error) {
	if r.off >= r.size {
		return 0, io.EOF
	}
	idx, from := r.off/chunkSize, r.off%chunkSize
	p = p[:min(int64(len(p)), chunkSize-from, r.size-r.off)]
	if id := r.chunks[idx]; id == 0 {
		clear(p)
	} else if err := r.conn.copyChunk(p, id, from); err != nil {
		return 0, err
	} else if err := r.conn.overlay(p, from, r.patches[idx]); err != nil {
		return 0, err
	}
	r.off += int64(len(p))
	return len(p), nil
}

func (r *contentReader) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += r.off
	case io.SeekEnd:
		off += r.size
	}
	if off < 0 {
		return 0, fmt.Errorf("seek to %d: %w", off, ErrInvalid)
	}
	r.off = off
	return off, nil
}
