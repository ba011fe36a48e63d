package spacedb

import (
	"context"
	"errors"
	"log/slog"
)

// finish is the last thing a store does: it seals, lets orphans go, trims the
// journal and marks the file as closed properly.
func (s *Store) finish() error {
	err := s.Seal(context.Background())
	s.mu.Lock()
	t := s.Tree(Actor{Origin: OriginCLI})
	for _, n := range s.nodes {
		if n.nlink == 0 { // nobody is left who could hold it
			n.refs, n.staged = 0, false
			t.release(n)
		}
	}
	s.mu.Unlock()
	// What was buried is sealed before it goes.
	err = errors.Join(err, s.Seal(context.Background()))
	if err := s.packSuperseded(context.Background()); err != nil {
		slog.Warn("history could not be packed; it stays as it is", "space", s.path, "err", err)
	}
	s.mu.Lock()
	s.seq++
	s.cleanly = err == nil
	// What every mirror has seen nobody asks for again. The last row stays, so
	// that Snapshot.Unchanged can tell that nothing came after it.
	s.pending.add(`DELETE FROM journal WHERE seq <= (SELECT coalesce(min(seq), 0) FROM mirror) AND seq < (SELECT max(seq) FROM journal)`)
	s.pending.add(`DELETE FROM redo`)
	s.mu.Unlock()
	return errors.Join(err, s.Sync())
}
