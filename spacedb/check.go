package spacedb

import (
	"context"
	"fmt"
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
		c.revisions, c.documents, c.references, c.side, c.glances,
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

// side checks the tables beside the tree.
func (c *checker) side() error {
	for where, query := range map[string]string{
		"xattr":    `SELECT count(*) FROM (SELECT node FROM xattr GROUP BY node HAVING count(*) <> coalesce((SELECT xattrs FROM node AS owner WHERE owner.id = xattr.node), -1))`,
		"node":     `SELECT count(*) FROM node WHERE xattrs > 0 AND id NOT IN (SELECT node FROM xattr)`,
		"revision": `SELECT count(*) FROM revision WHERE document NOT IN (SELECT id FROM document)`,
		"base":     `SELECT count(*) FROM base WHERE mirror NOT IN (SELECT id FROM mirror)`,
		"base_xattr": `SELECT count(*) FROM base_xattr WHERE NOT EXISTS
			(SELECT 1 FROM base WHERE base.mirror = base_xattr.mirror AND base.path = base_xattr.path)`,
		"past":   `SELECT count(*) FROM past WHERE since >= until OR until > (SELECT seq FROM space) OR document > 0 AND document NOT IN (SELECT id FROM document)`,
		"entry":  `SELECT count(*) FROM entry WHERE since > (SELECT seq FROM space)`,
		"copied": `SELECT count(*) FROM copied WHERE chunk NOT IN (SELECT id FROM chunk)`,
		"glance": `SELECT count(*) FROM glance WHERE mirror NOT IN (SELECT id FROM mirror)`,
		"apart":  `SELECT count(*) FROM apart WHERE mirror NOT IN (SELECT id FROM mirror)`,
		"action": `SELECT count(*) FROM action WHERE run NOT IN (SELECT id FROM run)`,
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
