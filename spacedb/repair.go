package spacedb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// A repair changes what can be known from the rest of the file: counts, totals,
// what names and owns what. It removes no content: what nobody names any more
// gets a name in lost+found. Content that is not there, or not what its hash
// says, cannot be mended; it is left and told.

// RepairResult is what a repair did, and what a check finds after it.
type RepairResult struct {
	Mended []Finding `json:"mended"`
	Left   []Finding `json:"left"`
}

// Repair mends the space at path, which nobody may have open, in one
// transaction.
func Repair(ctx context.Context, path string) (r RepairResult, err error) {
	if _, err := identify(path); err != nil {
		return r, err
	}
	lock, err := acquireLock(path)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	c, err := openConn(path, modeWrite)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := (&Store{write: c}).upgrade(); err != nil {
		return r, err
	}
	m := &mender{ctx: ctx, conn: c, now: time.Now().UnixNano(), used: bitmap{}}
	if err := c.inTx(m.mend); err != nil {
		return r, fmt.Errorf("repair %s: nothing was changed: %w", path, err)
	}
	r.Mended = m.mended
	r.Left, err = checkFile(ctx, c)
	return r, err
}

type mender struct {
	ctx    context.Context
	conn   *conn
	now    int64
	mended []Finding
	lost   NodeID // lost+found, 0: not needed yet
	used   bitmap // chunks that a revision or node has
}

func (m *mender) did(where, format string, args ...any) {
	m.mended = append(m.mended, Finding{where, fmt.Sprintf(format, args...)})
}

func (m *mender) mend() error {
	for _, step := range []func() error{
		m.indexes, m.counters, m.entries, m.names, m.orphans, m.documents, m.revisions, m.seals, m.extents, m.chunks, m.links, m.totals,
	} {
		if err := errors.Join(m.ctx.Err(), step()); err != nil {
			return err
		}
	}
	return nil
}

// change runs a statement and says so, if it is needed for any row. count asks
// for how many.
func (m *mender) change(where, what, count, statement string, args ...any) error {
	rows := int64(0)
	if _, err := m.conn.one(func(r row) error { rows = r.int(0); return nil }, count, args...); err != nil || rows == 0 {
		return err
	}
	m.did(where, what, rows)
	return m.conn.exec(statement, args...)
}

func (m *mender) indexes() error {
	sound := true
	err := m.conn.query(func(r row) error { sound = sound && r.text(0) == "ok"; return nil }, `PRAGMA integrity_check(1)`)
	if err != nil || sound {
		return err
	}
	m.did("file", "the indexes were built anew")
	return m.conn.exec(`REINDEX`)
}

// counters: a number that is in use was given out.
func (m *mender) counters() error {
	for _, table := range []string{"node", "chunk", "document", "revision"} {
		err := m.change("space", "a counter of "+table+"s was behind (%d)",
			`SELECT count(*) FROM space WHERE `+table+` < (SELECT coalesce(max(id), 0) FROM `+table+`)`,
			`UPDATE space SET `+table+` = (SELECT max(id) FROM `+table+`)`)
		if err != nil {
			return err
		}
	}
	return nil
}

// entries that lead nowhere, or from nowhere, go; what they named is found by
// orphans.
func (m *mender) entries() error {
	const noNode = `FROM entry WHERE node NOT IN (SELECT id FROM node)`
	const noDir = `FROM entry WHERE parent NOT IN (SELECT id FROM node WHERE mode & 61440 = 16384) OR node = 1`
	const second = `FROM entry WHERE node IN (SELECT id FROM node WHERE mode & 61440 = 16384)
		AND EXISTS (SELECT 1 FROM entry AS other WHERE other.node = entry.node AND (other.parent, other.name) < (entry.parent, entry.name))`
	for _, wrong := range []struct{ rows, what string }{
		{noNode, "removed: its node does not exist"},
		{noDir, "removed: its directory does not exist"},
		{second, "removed: the directory has another name"},
	} {
		err := m.conn.query(func(r row) error {
			m.did(fmt.Sprintf("entry %d/%q", r.int(0), r.text(1)), "%s", wrong.what)
			return nil
		}, `SELECT parent, name `+wrong.rows)
		if err != nil {
			return err
		}
		if err := m.conn.exec(`DELETE ` + wrong.rows); err != nil {
			return err
		}
	}
	return nil
}

// names that cannot be become ones that can.
func (m *mender) names() error {
	var bad []entryRow
	err := m.conn.query(func(r row) error {
		if checkName(r.text(1)) != nil {
			bad = append(bad, entryRow{parent: NodeID(r.int(0)), name: r.text(1), node: NodeID(r.int(2))})
		}
		return nil
	}, `SELECT parent, name, node FROM entry`)
	if err != nil {
		return err
	}
	for _, e := range bad {
		name, err := m.freeName(e.parent, fmt.Sprintf("node-%d", e.node))
		if err != nil {
			return err
		}
		m.did(fmt.Sprintf("entry %d/%q", e.parent, e.name), "not a name: it is called %s now", name)
		if err := m.conn.exec(`UPDATE entry SET name = ? WHERE parent = ? AND name = ?`, []byte(name), e.parent, []byte(e.name)); err != nil {
			return err
		}
	}
	return nil
}

func (m *mender) freeName(dir NodeID, name string) (string, error) {
	for try := name; ; try += "_" {
		taken, err := m.conn.one(func(row) error { return nil }, `SELECT 1 FROM entry WHERE parent = ? AND name = ?`, dir, []byte(try))
		if err != nil || !taken {
			return try, err
		}
	}
}

// orphans: what no path leads to gets one.
func (m *mender) orphans() error {
	for {
		var lost []NodeID
		err := m.conn.query(func(r row) error { lost = append(lost, NodeID(r.int(0))); return nil },
			`WITH RECURSIVE reached (node) AS (SELECT 1 UNION SELECT entry.node FROM reached JOIN entry ON entry.parent = reached.node)
			SELECT id FROM node WHERE nlink > 0 AND id NOT IN (SELECT node FROM reached) ORDER BY id IN (SELECT node FROM entry), id`)
		if err != nil || len(lost) == 0 {
			return err
		}
		// What has no entry is the top of what is lost; if everything has one, it
		// is a circle, which is cut.
		for i, id := range lost {
			inside, err := m.conn.one(func(row) error { return nil }, `SELECT 1 FROM entry WHERE node = ?`, id)
			if err != nil {
				return err
			}
			if inside && i > 0 {
				break
			}
			if inside {
				m.did(fmt.Sprintf("node %d", id), "a directory inside itself was cut out")
				if err := m.conn.exec(`DELETE FROM entry WHERE node = ?`, id); err != nil {
					return err
				}
			}
			if err := m.find(id, fmt.Sprintf("node-%d", id)); err != nil {
				return err
			}
			if inside {
				break
			}
		}
	}
}

// find gives a node a name in lost+found.
func (m *mender) find(id NodeID, name string) error {
	if err := m.makeLost(); err != nil {
		return err
	}
	name, err := m.freeName(m.lost, name)
	if err != nil {
		return err
	}
	m.did(fmt.Sprintf("node %d", id), "no path led to it: it is lost+found/%s now", name)
	return m.conn.exec(`INSERT INTO entry (parent, name, node, since) VALUES (?, ?, ?, (SELECT seq FROM space))`, m.lost, []byte(name), id)
}

func (m *mender) makeLost() error {
	if m.lost != 0 {
		return nil
	}
	_, err := m.conn.one(func(r row) error { m.lost = NodeID(r.int(0)); return nil },
		`SELECT node.id FROM entry JOIN node ON node.id = entry.node WHERE parent = 1 AND name = ? AND mode & 61440 = 16384`, []byte("lost+found"))
	if err != nil || m.lost != 0 {
		return err
	}
	name, err := m.freeName(Root, "lost+found")
	if err != nil {
		return err
	}
	if m.lost, err = m.newNode(TypeDir|0o700, 0, 0); err != nil {
		return err
	}
	return m.conn.exec(`INSERT INTO entry (parent, name, node, since) VALUES (1, ?, ?, (SELECT seq FROM space))`, []byte(name), m.lost)
}

// newNode makes a directory, or a document of one chunk.
func (m *mender) newNode(mode uint32, size, chunk int64) (id NodeID, err error) {
	if err := m.conn.exec(`UPDATE space SET node = node + 1`); err != nil {
		return 0, err
	}
	if _, err := m.conn.one(func(r row) error { id = NodeID(r.int(0)); return nil }, `SELECT node FROM space`); err != nil {
		return 0, err
	}
	return id, m.conn.exec(`INSERT INTO node (id, mode, nlink, uid, gid, rdev, size, atime, mtime, ctime, btime, version,
			chunk, chunks, shared, document, revision, sha256, sealed, xattrs)
		SELECT ?1, ?2, 1, uid, gid, 0, ?3, ?4, ?4, ?4, ?4, (SELECT seq FROM space), ?5, ?5 > 0, ?5, 0, 0, NULL, 0, 0 FROM node WHERE id = 1`,
		id, mode, size, m.now, chunk)
}

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

func (m *mender) links() error {
	const right = `CASE WHEN mode & 61440 = 16384 AND (id = 1 OR EXISTS (SELECT 1 FROM entry WHERE node = node.id))
			THEN 2 + (SELECT count(*) FROM entry JOIN node AS below ON below.id = entry.node WHERE entry.parent = node.id AND below.mode & 61440 = 16384)
		ELSE (SELECT count(*) FROM entry WHERE entry.node = node.id) END`
	err := m.change("node", "%d link counts were wrong", `SELECT count(*) FROM node WHERE nlink <> `+right, `UPDATE node SET nlink = `+right+` WHERE nlink <> `+right)
	if err != nil {
		return err
	}
	return m.change("node", "%d counts of extended attributes were wrong",
		`SELECT count(*) FROM node WHERE xattrs <> (SELECT count(*) FROM xattr WHERE xattr.node = node.id)`,
		`UPDATE node SET xattrs = (SELECT count(*) FROM xattr WHERE xattr.node = node.id)`)
}

// totals: and whoever opens the space next looks for what is to be sealed.
func (m *mender) totals() error {
	const nodes = `(SELECT count(*) FROM node WHERE nlink > 0)`
	const bytes = `(SELECT coalesce(sum(size), 0) FROM node WHERE nlink > 0 AND mode & 61440 = 32768)`
	err := m.change("space", "the totals were wrong (%d)",
		`SELECT count(*) FROM space WHERE nodes <> `+nodes+` OR bytes <> `+bytes,
		`UPDATE space SET nodes = `+nodes+`, bytes = `+bytes)
	if err == nil && len(m.mended) > 0 {
		err = m.conn.exec(`UPDATE space SET clean = 0`)
	}
	return err
}
