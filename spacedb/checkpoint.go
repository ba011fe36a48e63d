package spacedb

import (
	"log/slog"
	"os"
)

// The WAL is copied into the space file on a goroutine and a connection of its
// own: inside a commit it would stall whoever waits in fsync for as long as it
// takes to write and sync everything since the last time.

// checkpointIfLong asks for a checkpoint; it does not wait for it. A stat is
// all it does with the file: opening and closing it would drop SQLite's locks.
func (s *Store) checkpointIfLong() {
	if info, err := os.Stat(s.path + "-wal"); err == nil && info.Size() > s.options.WAL {
		select {
		case s.long <- struct{}{}:
		default:
		}
	}
}

func (s *Store) runCheckpointer() {
	defer s.stopped.Done()
	for {
		select {
		case <-s.stop:
			return
		case <-s.long:
			// PASSIVE never waits for a writer or reader; what it could not copy
			// is copied the next time. The next commit then starts the WAL anew.
			_, err := s.checkpoint.one(func(row) error { return nil }, `PRAGMA wal_checkpoint(PASSIVE)`)
			if err != nil {
				slog.Warn("checkpoint failed; the WAL grows until one succeeds", "space", s.path, "err", err)
			}
		}
	}
}
