package spacedb

import (
	"crypto/sha256"
	"fmt"
	"io"
)

// What a check looks for in contents and documents.

// readChunks also fills the table that references counts in.
func (c *checker) readChunks() error {
	return c.conn.query(func(r row) error {
		c.chunks[r.int(0)] = 0
		if r.int(0) > c.last.chunk {
			c.found(fmt.Sprintf("chunk %d", r.int(0)), "its number was never given out")
		}
		if r.int(1) > chunkSize {
			c.found(fmt.Sprintf("chunk %d", r.int(0)), "%d bytes", r.int(1))
		}
		return c.ctx.Err()
	}, `SELECT id, CASE base WHEN 0 THEN length(data) ELSE 0 END, base FROM chunk`)
}

func (c *checker) readExtents() error {
	for _, n := range c.nodes {
		n.extents = map[int64]int64{}
	}
	return c.conn.query(func(r row) error {
		n := c.nodes[NodeID(r.int(0))]
		if n == nil || !n.isRegular() || r.int(1) <= 0 {
			c.found(fmt.Sprintf("extent %d of node %d", r.int(1), r.int(0)), "belongs to no document")
			return nil
		}
		n.extents[r.int(1)] = r.int(2)
		return nil
	}, `SELECT node, idx, chunk FROM extent`)
}

// patches: each row belongs to a content, has the bytes it names, and some of it
// counts.
func (c *checker) patches() error {
	type stored struct {
		id   int64
		node NodeID
		size int64
	}
	var all []stored
	err := c.conn.query(func(r row) error {
		all = append(all, stored{r.int(0), NodeID(r.int(1)), r.int(2)})
		return nil
	}, `SELECT id, node, length(data) FROM patch`)
	if err != nil {
		return err
	}
	sizes, counting := map[int64]int64{}, map[int64]bool{}
	seen := map[NodeID]bool{}
	for _, p := range all {
		where := fmt.Sprintf("patch %d", p.id)
		n := c.nodes[p.node]
		if n == nil || !n.isRegular() {
			c.found(where, "belongs to no document")
			continue
		}
		if p.id > c.last.chunk {
			c.found(where, "its number was never given out")
		}
		if !seen[p.node] {
			seen[p.node] = true
			err := c.conn.loadPatches(p.node, func(p patch) {
				sizes[p.row] = p.at + p.size
				if n.extents[p.idx] != p.chunk {
					return
				}
				counting[p.row] = true
				if p.idx*chunkSize+p.from+p.size > n.size {
					c.found(fmt.Sprintf("patch %d", p.row), "lies beyond the size of node %d", n.id)
				}
			})
			if err != nil {
				c.found(where, "%v", err)
				continue
			}
		}
		switch {
		case sizes[p.id] != p.size:
			c.found(where, "%d bytes instead of %d", p.size, sizes[p.id])
		case !counting[p.id]:
			c.found(where, "changes nothing")
		case n.sealed:
			c.found(where, "lies over a content that was sealed")
		}
	}
	return nil
}

// revisions reads every revision and compares its hash.
func (c *checker) revisions() error {
	type stored struct {
		id, document, size int64
		sum                Hash
		packed             []byte
	}
	var all []stored
	err := c.conn.query(func(r row) error {
		all = append(all, stored{r.int(0), r.int(1), r.int(2), r.hash(3), append([]byte(nil), r.bytes(4)...)})
		return nil
	}, `SELECT id, document, size, sha256, chunks FROM revision ORDER BY id`)
	if err != nil {
		return err
	}
	sums := map[int64]Hash{}
	for _, rev := range all {
		where := fmt.Sprintf("revision %d", rev.id)
		sums[rev.id] = rev.sum
		chunks, err := unpackChunks(rev.packed)
		if err != nil || rev.size < 0 || rev.size > MaxSize {
			c.found(where, "its chunk list cannot be read")
			continue
		}
		for _, id := range chunks {
			c.use(where, id)
		}
		c.compare(where, chunks, rev.size, rev.sum)
		if err := c.ctx.Err(); err != nil {
			return err
		}
	}
	for id, n := range c.nodes {
		where := fmt.Sprintf("node %d", id)
		if n.sealed && n.holdsContent() && n.revision == 0 {
			c.found(where, "sealed without a revision")
		}
		if sum, ok := sums[n.revision]; n.revision != 0 && (!ok || sum != n.sha256) {
			c.found(where, "its revision %d is missing or another", n.revision)
		}
		chunks := map[int64]int64{}
		for idx, chunk := range n.extents {
			chunks[idx] = chunk
		}
		if n.chunk != 0 {
			chunks[0] = n.chunk
		}
		for _, chunk := range chunks {
			c.use(where, chunk)
			if chunk > n.shared && c.chunks[chunk] > 1 {
				c.found(where, "its own chunk %d is used elsewhere too", chunk)
			}
		}
		if n.sealed && n.holdsContent() {
			c.compare(where, chunks, n.size, n.sha256)
		}
	}
	return nil
}

func (c *checker) use(where string, chunk int64) {
	if _, ok := c.chunks[chunk]; !ok {
		c.found(where, "its chunk %d is missing", chunk)
		return
	}
	c.chunks[chunk]++
}

func (c *checker) compare(where string, chunks map[int64]int64, size int64, want Hash) {
	h := sha256.New()
	if _, err := io.Copy(h, &contentReader{conn: c.conn, chunks: chunks, size: size}); err != nil {
		c.found(where, "%v", err)
		return
	}
	if Hash(h.Sum(nil)) != want {
		c.found(where, "its content does not have the hash that was recorded")
	}
}

// documents: each has one linked node and no path, or a path and none.
func (c *checker) documents() error {
	linked := map[int64]int{}
	carried := map[int64]int{}
	for _, n := range c.nodes {
		if n.document != 0 {
			carried[n.document]++
			if n.nlink > 0 {
				linked[n.document]++
			}
		}
	}
	err := c.conn.query(func(r row) error {
		id, path := r.int(0), r.values[1] != nil
		where := fmt.Sprintf("document %d", id)
		switch {
		case linked[id] > 1:
			c.found(where, "carried by %d nodes", linked[id])
		case linked[id] == 1 && path:
			c.found(where, "in the tree, but kept as deleted")
		case linked[id] == 0 && !path:
			c.found(where, "nowhere in the tree, and its last path is not known")
		}
		delete(linked, id)
		delete(carried, id)
		return nil
	}, `SELECT id, path FROM document`)
	for id := range carried {
		c.found(fmt.Sprintf("document %d", id), "carried by a node, but missing")
	}
	return err
}

func (c *checker) references() error {
	for id, used := range c.chunks {
		if used == 0 {
			c.found(fmt.Sprintf("chunk %d", id), "used by nothing")
		}
	}
	return nil
}
