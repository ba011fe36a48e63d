package spacedb

import (
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// A repair of contents and documents: what there is belongs to somebody.

// documents: each has one linked node and no path, or a path and none.
func (m *mender) documents() error {
	err := m.change("node", "%d nodes carried a document that another has: they get their own",
		`SELECT count(*) FROM node WHERE `+second, `UPDATE node SET document = 0, revision = 0, sha256 = NULL, sealed = 0 WHERE `+second)
	if err != nil {
		return err
	}
	var missing []int64
	err = m.conn.query(func(r row) error { missing = append(missing, r.int(0)); return nil },
		`SELECT document FROM node WHERE document > 0 AND document NOT IN (SELECT id FROM document)
		UNION SELECT document FROM revision WHERE document NOT IN (SELECT id FROM document)`)
	if err != nil {
		return err
	}
	for _, id := range missing {
		m.did(fmt.Sprintf("document %d", id), "it was missing, and has a new identity")
		name, err := uuid.NewV7()
		if err != nil {
			return err
		}
		if err := m.conn.exec(`INSERT INTO document (id, uuid) VALUES (?, ?)`, id, name.String()); err != nil {
			return err
		}
	}
	err = m.change("document", "%d documents in the tree were kept as deleted",
		`SELECT count(*) FROM document WHERE path IS NOT NULL AND id IN (`+carried+`)`,
		`UPDATE document SET path = NULL, deleted = NULL WHERE path IS NOT NULL AND id IN (`+carried+`)`)
	if err != nil {
		return err
	}
	const nowhere = `path IS NULL AND id NOT IN (` + carried + `)`
	err = m.change("document", "%d documents nowhere in the tree are kept as deleted, where they were last",
		`SELECT count(*) FROM document WHERE `+nowhere+` AND EXISTS (SELECT 1 FROM revision WHERE document = document.id)`,
		`UPDATE document SET deleted = CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000000, path = (SELECT path FROM revision WHERE document = document.id ORDER BY number DESC LIMIT 1)
			WHERE `+nowhere+` AND EXISTS (SELECT 1 FROM revision WHERE document = document.id)`)
	if err != nil {
		return err
	}
	return m.change("document", "%d documents without a revision, and nowhere in the tree, were removed",
		`SELECT count(*) FROM document WHERE `+nowhere, `DELETE FROM document WHERE `+nowhere)
}

const (
	carried = `SELECT document FROM node WHERE nlink > 0`
	second  = `document > 0 AND nlink > 0 AND EXISTS (SELECT 1 FROM node AS other WHERE other.document = node.document AND other.nlink > 0 AND other.id < node.id)`
)

// revisions: a node goes on from its document's last revision.
func (m *mender) revisions() error {
	const wrong = `revision > 0 AND NOT EXISTS (SELECT 1 FROM revision AS is_it WHERE is_it.id = node.revision AND is_it.sha256 = node.sha256)
		OR revision = 0 AND sealed AND mode & 61440 IN (32768, 40960)`
	const last = `(SELECT %s FROM revision AS last WHERE last.document = node.document AND NOT lost ORDER BY number DESC LIMIT 1)`
	return m.change("node", "%d nodes named a revision that is missing or another: their content is sealed anew",
		`SELECT count(*) FROM node WHERE `+wrong,
		`UPDATE node SET sealed = 0, revision = coalesce(`+fmt.Sprintf(last, "id")+`, 0), sha256 = `+fmt.Sprintf(last, "sha256")+` WHERE `+wrong)
}

// seals: content that is not what its hash says was changed by nobody we know;
// what is there becomes a revision of its own.
func (m *mender) seals() error {
	var wrong []NodeID
	c := &checker{ctx: m.ctx, conn: m.conn}
	var sealed []*node
	err := m.conn.query(func(r row) error {
		if n, err := scanNode(r); err == nil {
			sealed = append(sealed, n)
		}
		return nil
	}, `SELECT `+nodeColumns+` FROM node WHERE sealed AND mode & 61440 IN (32768, 40960)`)
	if err != nil {
		return err
	}
	for _, n := range sealed {
		chunks := map[int64]int64{}
		if n.chunk != 0 {
			chunks[0] = n.chunk
		}
		err := m.conn.query(func(r row) error { chunks[r.int(0)] = r.int(1); return nil }, `SELECT idx, chunk FROM extent WHERE node = ?`, n.id)
		if err != nil {
			return err
		}
		before := len(c.findings)
		if c.compare("", chunks, n.size, n.sha256); len(c.findings) > before {
			if _, missing := m.missing(chunks); !missing {
				wrong = append(wrong, n.id)
			}
		}
		if err := m.ctx.Err(); err != nil {
			return err
		}
	}
	for _, id := range wrong {
		m.did(fmt.Sprintf("node %d", id), "its content is not its last revision's: what is there is sealed anew")
		if err := m.conn.exec(`UPDATE node SET sealed = 0 WHERE id = ?`, id); err != nil {
			return err
		}
	}
	return nil
}

// missing finds a chunk that cannot be read: such content stays as it is.
func (m *mender) missing(chunks map[int64]int64) (id int64, missing bool) {
	for _, id := range chunks {
		if _, _, err := m.conn.chunk(id, 0); err != nil {
			return id, true
		}
	}
	return 0, false
}

func (m *mender) extents() error {
	err := m.change("extent", "%d places in contents were beyond the end, or of no document: removed",
		`SELECT count(*) FROM extent WHERE `+astray, `DELETE FROM extent WHERE `+astray, chunkSize)
	if err != nil {
		return err
	}
	return m.change("node", "%d counts of chunks were wrong",
		`SELECT count(*) FROM node WHERE chunks <> (SELECT count(*) FROM extent WHERE node = node.id) + (chunk > 0)`,
		`UPDATE node SET chunks = (SELECT count(*) FROM extent WHERE node = node.id) + (chunk > 0)`)
}

const astray = `NOT EXISTS (SELECT 1 FROM node AS owner WHERE owner.id = extent.node AND owner.mode & 61440 = 32768
	AND extent.idx > 0 AND extent.idx * ?1 < owner.size)`

// chunks that nobody has become documents.
func (m *mender) chunks() error {
	mark := func(r row) error { m.used.put(r.int(0)); return nil }
	if err := m.conn.query(mark, `SELECT chunk FROM node UNION ALL SELECT chunk FROM extent`); err != nil {
		return err
	}
	err := m.conn.query(func(r row) error {
		chunks, err := unpackChunks(r.bytes(0))
		for _, id := range chunks {
			m.used.put(id)
		}
		_ = err // the check tells it
		return nil
	}, `SELECT chunks FROM revision`)
	if err != nil {
		return err
	}
	var unused []int64
	err = m.conn.query(func(r row) error {
		if !m.used.has(r.int(0)) {
			unused = append(unused, r.int(0))
		}
		return nil
	}, `SELECT id FROM chunk ORDER BY id`)
	if err != nil {
		return err
	}
	for _, id := range slices.Compact(unused) {
		content, _, err := m.conn.chunk(id, 0)
		if err != nil {
			continue // the check tells it
		}
		n, err := m.newNode(TypeRegular|0o600, int64(len(content)), id)
		if err != nil {
			return err
		}
		if err := m.find(n, fmt.Sprintf("chunk-%d", id)); err != nil {
			return err
		}
	}
	err = m.change("copied", "%d copied chunks that are gone were forgotten",
		`SELECT count(*) FROM copied WHERE chunk NOT IN (SELECT id FROM chunk)`, `DELETE FROM copied WHERE chunk NOT IN (SELECT id FROM chunk)`)
	if err != nil {
		return err
	}
	// What is used twice is nobody's own.
	var own []NodeID
	err = m.conn.query(func(r row) error { own = append(own, NodeID(r.int(0))); return nil },
		`SELECT id FROM node WHERE chunk > shared AND chunk IN (SELECT chunk FROM node GROUP BY chunk HAVING count(*) > 1)`)
	if err != nil {
		return err
	}
	for _, id := range own {
		m.did(fmt.Sprintf("node %d", id), "its chunk is used elsewhere too: it is shared now")
		if err := m.conn.exec(`UPDATE node SET shared = (SELECT chunk FROM space) WHERE id = ?`, id); err != nil {
			return err
		}
	}
	return nil
}
