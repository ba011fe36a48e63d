package spacedb

import (
	"context"
)

// A source is a directory that was imported: what its files looked like then,
// so that importing it again reads only what looks different. Who imports
// decides what is kept of a directory; here it is bytes.

// SourceSeen is what is remembered of a source.
type SourceSeen struct {
	Seq  uint64            // what the space had done: what came later may be otherwise
	Dirs map[string][]byte // by path in the source
}

// Source returns what is remembered of a directory that was imported into a path
// of the space; ok is false when nothing is.
func (s *Store) Source(path, into string) (seen SourceSeen, ok bool, err error) {
	err = s.reading(func(c *conn) error {
		var id int64
		ok, err = c.one(func(r row) error { id, seen.Seq = r.int(0), uint64(r.int(1)); return nil },
			`SELECT id, seq FROM source WHERE path = ? AND target = ?`, []byte(path), []byte(into))
		if err != nil || !ok {
			return err
		}
		seen.Dirs = map[string][]byte{}
		return c.query(func(r row) error {
			seen.Dirs[r.text(0)] = append([]byte(nil), r.bytes(1)...)
			return nil
		}, `SELECT path, seen FROM source_directory WHERE source = ?`, id)
	})
	return seen, ok, err
}

// RememberSource replaces what is remembered. since is what the space had done
// when the run began that brought the source in: if the journal has nothing else
// since, what the run itself did is not looked at again.
func (s *Store) RememberSource(path, into string, since uint64, run int64, dirs map[string][]byte) error {
	seq := since
	err := s.reading(func(c *conn) error {
		_, err := c.one(func(r row) error {
			if r.int(0) == 0 {
				seq = uint64(r.int(1))
			}
			return nil
		}, `SELECT EXISTS (SELECT 1 FROM journal WHERE seq > ? AND run <> ?), seq FROM space`, since, run)
		return err
	})
	if err != nil {
		return err
	}
	statements := []statement{
		{`INSERT INTO source (path, target, seq) VALUES (?1, ?2, ?3) ON CONFLICT (path, target) DO UPDATE SET seq = excluded.seq`,
			[]any{[]byte(path), []byte(into), seq}},
		{`DELETE FROM source_directory WHERE source = (SELECT id FROM source WHERE path = ? AND target = ?)`, []any{[]byte(path), []byte(into)}},
	}
	for dir, seen := range dirs {
		statements = append(statements, statement{`INSERT INTO source_directory (source, path, seen)
			SELECT id, ?, ? FROM source WHERE path = ? AND target = ?`, []any{[]byte(dir), seen, []byte(path), []byte(into)}})
	}
	return s.record(statements...)
}

// ChangedSince lists the paths that may differ from what they were at sequence
// number since; see Snapshot.Changed. ok is false when the journal does not
// reach back so far.
func (s *Store) ChangedSince(ctx context.Context, since uint64) (paths []string, ok bool, err error) {
	v, err := s.Snapshot(ctx)
	if err != nil {
		return nil, false, err
	}
	defer v.Close()
	_, err = v.conn.one(func(r row) error { ok = r.int(0) == 1; return nil },
		`SELECT EXISTS (SELECT 1 FROM journal WHERE seq <= ?)`, since)
	if err != nil || !ok {
		return nil, false, err
	}
	return v.Changed(since)
}

// Seq is the last operation.
func (s *Store) Seq() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seq
}

// Content is what a document or symlink at a path holds, as far as it is known
// without reading: Sealed says that Hash is that of its content now.
func (t *Tree) Content(path string) (a Attr, sum Hash, sealed bool, err error) {
	s := t.store
	s.lockTree()
	defer s.mu.Unlock()
	n, err := s.walk(path)
	if err != nil {
		return Attr{}, Hash{}, false, err
	}
	return n.attr(), n.sha256, n.sealed && n.holdsContent() && n.revision != 0, nil
}
