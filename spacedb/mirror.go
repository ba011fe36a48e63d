package spacedb

import (
	"time"

	"spacefs/internal/attributes"
)

// reading runs fn on a reader after everything done so far is in the file.
func (s *Store) reading(fn func(*conn) error) error {
	if err := s.Sync(); err != nil {
		return err
	}
	c, err := s.readers.get()
	if err != nil {
		return err
	}
	defer s.readers.put(c)
	return fn(c)
}

const mirrorColumns = `id, uuid, path, seq, last_sync, metadata`

func scanMirror(r row) Mirror {
	state := MetadataState(r.int(5))
	return Mirror{
		ID: r.int(0), UUID: r.text(1), Path: r.text(2), Seq: uint64(r.int(3)), LastSync: timeOf(r.int(4)),
		MetadataState: state, Metadata: state != MetadataOff,
	}
}

// timeOf: 0 stands for never.
func timeOf(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// Mirrors lists the mirrors of the space, oldest first.
func (s *Store) Mirrors() (list []Mirror, err error) {
	err = s.reading(func(c *conn) error {
		return c.query(func(r row) error {
			list = append(list, scanMirror(r))
			return nil
		}, `SELECT `+mirrorColumns+` FROM mirror ORDER BY id`)
	})
	return list, err
}

// EnsureMirror finds the mirror by its UUID and remembers where it is now, or
// makes it.
func (s *Store) EnsureMirror(uuid, path string) (m Mirror, err error) {
	err = s.record(statement{`INSERT INTO mirror (uuid, path, seq, last_sync) VALUES (?1, ?2, 0, 0)
		ON CONFLICT (uuid) DO UPDATE SET path = excluded.path`, []any{uuid, []byte(path)}})
	if err != nil {
		return m, err
	}
	err = s.reading(func(c *conn) error {
		_, err := c.one(func(r row) error { m = scanMirror(r); return nil },
			`SELECT `+mirrorColumns+` FROM mirror WHERE uuid = ?`, uuid)
		return err
	})
	return m, err
}

// Base calls fn for every base entry of a mirror, in byte order of path.
func (s *Store) Base(mirror int64, fn func(BaseEntry) error) error {
	return s.reading(func(c *conn) error {
		return c.query(func(r row) error { return fn(scanBase(r)) }, baseQuery+` ORDER BY path`, mirror)
	})
}

// AdvanceBase sets and removes base entries. It takes its place in the log: it
// becomes durable with or after everything done before it, never earlier.
func (s *Store) AdvanceBase(mirror int64, set []BaseEntry, remove []string) error {
	return s.AdvanceBaseWith(mirror, set, remove, nil)
}

// AdvanceBaseWith is AdvanceBase where extended attributes were agreed on too:
// in one step, by path, "" for none; what it does not name stays.
func (s *Store) AdvanceBaseWith(mirror int64, set []BaseEntry, remove []string, agreed map[string]attributes.Set) error {
	if len(set)+len(remove)+len(agreed) == 0 {
		return nil
	}
	statements := make([]statement, 0, len(set)+len(remove))
	for _, p := range remove {
		statements = append(statements, statement{`DELETE FROM base WHERE mirror = +? AND path = ?`, []any{mirror, []byte(p)}})
	}
	for _, b := range set {
		var sha any
		if b.Mode&TypeMask == TypeRegular {
			sha = b.SHA256[:]
		}
		statements = append(statements, statement{`REPLACE INTO base (mirror, path, mode, sha256, target, size, node, version,
			m_mode, m_size, m_mtime, m_ctime, m_inode) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			[]any{mirror, []byte(b.Path), b.Mode, sha, []byte(b.Target), b.Size, b.Node, b.Version,
				b.MirrorMode, b.MirrorSize, b.MirrorMtime, b.MirrorCtime, b.MirrorInode}})
	}
	statements = append(statements, baseXattrStatements(mirror, agreed, remove)...)
	statements = append(statements, dropGlances(mirror, set, remove)...)
	err := s.Tree(Actor{Origin: OriginCLI}).change()
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	s.basesMoved++
	s.recordLocked(statements...)
	return nil
}

// Seen is up to where the journal needs no second look from who saw it up to seq
// and brought into the store what it has of that run: further, if since then it
// has nothing else.
func (s *Store) Seen(seq uint64, run int64) (uint64, error) {
	err := s.reading(func(c *conn) error {
		_, err := c.one(func(r row) error {
			if others := r.int(0); others == 0 {
				seq = max(seq, uint64(r.int(1)))
			}
			return nil
		}, `SELECT (SELECT count(*) FROM journal WHERE seq > ? AND run <> ?), seq FROM space`, seq, run)
		return err
	})
	return seq, err
}

// FinishSync records that a sync is complete that has seen the journal from one
// operation up to another. If the mirror's place is not there any more, all is to
// be looked at again, and stays so.
func (s *Store) FinishSync(mirror int64, from, to uint64) error {
	return s.record(statement{`UPDATE mirror SET seq = max(seq, ?), last_sync = ? WHERE id = ? AND seq = ?`, []any{to, s.now(), mirror, from}})
}

const baseQuery = `SELECT path, mode, sha256, target, size, node, version, m_mode, m_size, m_mtime, m_ctime, m_inode
	FROM base WHERE mirror = +?`

func scanBase(r row) BaseEntry {
	return BaseEntry{
		Path: r.text(0), Mode: uint32(r.int(1)), SHA256: r.hash(2), Target: r.text(3), Size: r.int(4),
		Node: NodeID(r.int(5)), Version: uint64(r.int(6)),
		MirrorMode: uint32(r.int(7)), MirrorSize: r.int(8), MirrorMtime: r.int(9), MirrorCtime: r.int(10),
		MirrorInode: uint64(r.int(11)),
	}
}

// BaseAt returns the base entry of a path; ok is false when there is none.
func (v *Snapshot) BaseAt(mirror int64, path string) (b BaseEntry, ok bool, err error) {
	ok, err = v.conn.one(func(r row) error { b = scanBase(r); return nil }, baseQuery+` AND path = ?`, mirror, []byte(path))
	return b, ok, err
}

// BaseBelow calls fn for the base entries below a directory, "" for all, in byte
// order of path.
func (v *Snapshot) BaseBelow(mirror int64, dir string, fn func(BaseEntry) error) error {
	scan := func(r row) error { return fn(scanBase(r)) }
	if dir == "" {
		return v.conn.query(scan, baseQuery+` ORDER BY path`, mirror)
	}
	return v.conn.query(scan, baseQuery+` AND path > ? AND path < ? ORDER BY path`, mirror, []byte(dir+"/"), []byte(dir+"0"))
}

// BaseCount counts the base entries of a mirror, and those that are no
// directories.
func (v *Snapshot) BaseCount(mirror int64) (entries, files int, err error) {
	_, err = v.conn.one(func(r row) error { entries, files = int(r.int(0)), int(r.int(1)); return nil },
		`SELECT count(*), coalesce(sum(mode & 61440 <> 16384), 0) FROM base WHERE mirror = +?`, mirror)
	return entries, files, err
}

// BaseEmpty says whether a mirror has no base.
func (v *Snapshot) BaseEmpty(mirror int64) (bool, error) {
	found, err := v.conn.one(func(row) error { return nil }, `SELECT 1 FROM base WHERE mirror = ? LIMIT 1`, mirror)
	return !found, err
}
