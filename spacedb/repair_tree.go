package spacedb

import (
	"fmt"
)

// A repair of the tree: every node has a name that leads to it, and is counted.

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
