package spacedb

import (
	"time"
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

const mirrorColumns = `id, uuid, path, seq, last_sync`

func scanMirror(r row) Mirror {
	return Mirror{ID: r.int(0), UUID: r.text(1), Path: r.text(2), Seq: uint64(r.int(3)), LastSync: timeOf(r.int(4))}
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
		return c.query(func(r row) error {
			return fn(BaseEntry{
				Path: r.text(0), Mode: uint32(r.int(1)), SHA256: r.hash(2), Target: r.text(3), Size: r.int(4),
				Node: NodeID(r.int(5)), Version: uint64(r.int(6)),
				MirrorMode: uint32(r.int(7)), MirrorSize: r.int(8), MirrorMtime: r.int(9), MirrorCtime: r.int(10),
				MirrorInode: uint64(r.int(11)),
			})
		}, `SELECT path, mode, sha256, target, size, node, version, m_mode, m_size, m_mtime, m_ctime, m_inode
			FROM base WHERE mirror = ? ORDER BY path`, mirror)
	})
}

// AdvanceBase sets and removes base entries. It takes its place in the log: it
// becomes durable with or after everything done before it, never earlier.
func (s *Store) AdvanceBase(mirror int64, set []BaseEntry, remove []string) error {
	if len(set)+len(remove) == 0 {
		return nil
	}
	statements := make([]statement, 0, len(set)+len(remove))
	for _, p := range remove {
		statements = append(statements, statement{`DELETE FROM base WHERE mirror = ? AND path = ?`, []any{mirror, []byte(p)}})
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
	return s.record(statements...)
}

// FinishSync records that a sync is complete that saw the store up to seq and
// brought into it what the journal has of that run. If the journal has nothing
// else since, the next sync need not look at that again.
func (s *Store) FinishSync(mirror int64, seq uint64, run int64) error {
	err := s.reading(func(c *conn) error {
		_, err := c.one(func(r row) error {
			if others := r.int(0); others == 0 {
				seq = max(seq, uint64(r.int(1)))
			}
			return nil
		}, `SELECT (SELECT count(*) FROM journal WHERE seq > ? AND run <> ?), seq FROM space`, seq, run)
		return err
	})
	if err != nil {
		return err
	}
	return s.record(statement{`UPDATE mirror SET seq = max(seq, ?), last_sync = ? WHERE id = ?`, []any{seq, s.now(), mirror}})
}
