package spacedb

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
)

// Finding is one thing that Check found wrong.
type Finding struct {
	Where string `json:"where"` // table and row, or path
	What  string `json:"what"`
}

func (f Finding) String() string { return f.Where + ": " + f.What }

// maxFindings is where Check stops looking: the rest would not help.
const maxFindings = 1000

// Check makes everything durable and verifies the whole file: SQLite's own
// integrity, the shape of the tree, counts and totals, chunk references, and the
// hash of every revision. It reads everything and changes nothing.
func (s *Store) Check(ctx context.Context) ([]Finding, error) {
	v, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	return checkFile(ctx, v.conn)
}

// checkFile is Check on any connection.
func checkFile(ctx context.Context, conn *conn) ([]Finding, error) {
	c := &checker{ctx: ctx, conn: conn, nodes: map[NodeID]*checkedNode{}, chunks: map[int64]int64{}}
	for _, step := range []func() error{
		c.engine, c.space, c.readNodes, c.readEntries, c.readChunks, c.readExtents, c.patches, c.shape, c.counts,
		c.revisions, c.documents, c.references, c.side,
	} {
		if err := step(); err != nil {
			if len(c.findings) > 0 { // a damaged file makes later steps fail; say what is known
				c.found("check", "stopped: %v", err)
				return c.findings, nil
			}
			return nil, err
		}
		if len(c.findings) >= maxFindings {
			break
		}
	}
	return c.findings, ctx.Err()
}

type checker struct {
	ctx      context.Context
	conn     *conn
	findings []Finding
	usage    Usage // what the space row says
	last     counters
	nodes    map[NodeID]*checkedNode
	chunks   map[int64]int64 // id to how often it is used
}

type checkedNode struct {
	*node
	entries  uint32
	subdirs  uint32
	children []NodeID // of directories
}

func (c *checker) found(where, format string, args ...any) {
	c.findings = append(c.findings, Finding{where, fmt.Sprintf(format, args...)})
}

func (c *checker) engine() error {
	return c.conn.query(func(r row) error {
		if line := r.text(0); line != "ok" {
			c.found("file", "%s", line)
		}
		return nil
	}, `PRAGMA integrity_check(100)`)
}

func (c *checker) space() error {
	found, err := c.conn.one(func(r row) error {
		c.usage = Usage{Nodes: r.int(0), Bytes: r.int(1)}
		c.last = counters{node: NodeID(r.int(2)), chunk: r.int(3), document: r.int(4), revision: r.int(5)}
		if r.int(6) != chunkSize {
			c.found("space", "chunks of %d bytes", r.int(6))
		}
		return nil
	}, `SELECT nodes, bytes, node, chunk, document, revision, chunk_size FROM space WHERE id = 1`)
	if err == nil && !found {
		c.found("space", "the row is missing")
	}
	return err
}

func (c *checker) readNodes() error {
	return c.conn.query(func(r row) error {
		n, err := scanNode(r)
		if err != nil {
			c.found(fmt.Sprintf("node %d", r.int(0)), "%v", err)
			return nil
		}
		if n.id > c.last.node {
			c.found(fmt.Sprintf("node %d", n.id), "its number was never given out")
		}
		c.nodes[n.id] = &checkedNode{node: n}
		return c.ctx.Err()
	}, `SELECT `+nodeColumns+` FROM node`)
}

func (c *checker) readEntries() error {
	return c.conn.query(func(r row) error {
		parent, name, id := NodeID(r.int(0)), r.text(1), NodeID(r.int(2))
		where := fmt.Sprintf("entry %d/%q", parent, name)
		d, n := c.nodes[parent], c.nodes[id]
		if err := checkName(name); err != nil {
			c.found(where, "not a name")
		}
		if d == nil || !d.isDir() {
			c.found(where, "its directory does not exist")
			return nil
		}
		if n == nil {
			c.found(where, "its node %d does not exist", id)
			return nil
		}
		n.entries++
		d.children = append(d.children, id)
		if n.isDir() {
			d.subdirs++
		}
		return nil
	}, `SELECT parent, name, node FROM entry`)
}

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

// shape: from the root every linked node is reached, once if it is a directory.
func (c *checker) shape() error {
	root := c.nodes[Root]
	if root == nil || !root.isDir() {
		c.found("node 1", "there is no root directory")
		return nil
	}
	if root.entries > 0 {
		c.found("node 1", "the root is inside another directory")
	}
	reached := map[NodeID]bool{Root: true}
	for queue := []NodeID{Root}; len(queue) > 0; queue = queue[1:] {
		for _, id := range c.nodes[queue[0]].children {
			if n := c.nodes[id]; n.isDir() && reached[id] {
				c.found(fmt.Sprintf("node %d", id), "a directory with two names")
				continue
			} else if n.isDir() {
				queue = append(queue, id)
			}
			reached[id] = true
		}
	}
	for id, n := range c.nodes {
		if n.nlink > 0 && !reached[id] {
			c.found(fmt.Sprintf("node %d", id), "no path leads to it")
		}
	}
	return nil
}

func (c *checker) counts() error {
	var usage Usage
	for id, n := range c.nodes {
		where := fmt.Sprintf("node %d", id)
		want := n.entries
		if n.isDir() && (n.entries > 0 || id == Root) {
			want = 2 + n.subdirs
		}
		if n.nlink != want {
			c.found(where, "link count %d instead of %d", n.nlink, want)
		}
		stored := int64(len(n.extents))
		if n.chunk != 0 {
			stored++
		}
		if stored != n.chunks {
			c.found(where, "%d chunks instead of %d", n.chunks, stored)
		}
		for idx := range n.extents {
			if idx*chunkSize >= n.size {
				c.found(where, "chunk %d lies beyond its size", idx)
			}
		}
		if n.nlink > 0 {
			usage.Nodes++
			if n.isRegular() {
				usage.Bytes += n.size
			}
		}
	}
	if usage != c.usage {
		c.found("space", "totals %+v instead of %+v", c.usage, usage)
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

// side checks the tables beside the tree.
func (c *checker) side() error {
	for where, query := range map[string]string{
		"xattr":    `SELECT count(*) FROM (SELECT node FROM xattr GROUP BY node HAVING count(*) <> coalesce((SELECT xattrs FROM node AS owner WHERE owner.id = xattr.node), -1))`,
		"node":     `SELECT count(*) FROM node WHERE xattrs > 0 AND id NOT IN (SELECT node FROM xattr)`,
		"revision": `SELECT count(*) FROM revision WHERE document NOT IN (SELECT id FROM document)`,
		"base":     `SELECT count(*) FROM base WHERE mirror NOT IN (SELECT id FROM mirror)`,
		"past":     `SELECT count(*) FROM past WHERE since >= until OR until > (SELECT seq FROM space) OR document > 0 AND document NOT IN (SELECT id FROM document)`,
		"entry":    `SELECT count(*) FROM entry WHERE since > (SELECT seq FROM space)`,
		"apart":    `SELECT count(*) FROM apart WHERE mirror NOT IN (SELECT id FROM mirror)`,
		"action":   `SELECT count(*) FROM action WHERE run NOT IN (SELECT id FROM run)`,
	} {
		_, err := c.conn.one(func(r row) error {
			if r.int(0) > 0 {
				c.found(where, "%d rows without what they belong to", r.int(0))
			}
			return nil
		}, query)
		if err != nil {
			return err
		}
	}
	return nil
}
