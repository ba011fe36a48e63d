package spacedb

import (
	"log/slog"
	"os"
)

// The WAL is copied into the space file on a goroutine and a connection of its
// own: inside a commit it would stall whoever waits in fsync for as long as it
// takes to write and sync everything since the last time.

// checkpointIfLong asks for a checkpoint when enough was written since the last
// one; it does not wait for it. The file's size does not tell: SQLite starts
// again at its beginning and leaves it as long as it is.
func (s *Store) checkpointIfLong(written int64) {
	if s.walBytes.Add(written) > s.options.WAL {
		signal(s.long)
	}
}

// walBytes is about how much a batch is in the WAL: content, and the pages that
// its rows are in.
func (b *batch) walBytes() int64 {
	const fewPages, rowsInPage = 8, 16
	rows := len(b.nodes) + len(b.entries) + len(b.journal) + len(b.seals) + len(b.chunks) + len(b.extents) + len(b.records.statements)
	content := int64(0)
	for i := range b.chunks {
		content += int64(len(b.chunks[i].data))
	}
	for i := range b.patchRows {
		content += b.patchRows[i].size
	}
	return content + int64(fewPages+rows/rowsInPage)*pageSize
}

// signal wakes who listens, once, and does not wait.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *Store) runCheckpointer() {
	defer s.stopped.Done()
	for {
		select {
		case <-s.stop:
			return
		case <-s.asked:
			if err := s.prepareWAL(); err != nil {
				slog.Warn("the WAL could not be prepared; fsync is slower", "space", s.path, "err", err)
			}
		case <-s.long:
			if err := s.checkpointAll(); err != nil {
				slog.Warn("checkpoint failed; the WAL grows until one succeeds", "space", s.path, "err", err)
			}
		}
	}
}

// checkpointAll copies the WAL while commits go on, and then, with commits
// held, the little that came meanwhile: only when all of it is copied does the
// next commit start at the WAL's beginning. It waits for no reader.
func (s *Store) checkpointAll() error {
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	if _, err := s.checkpointOnce(); err != nil {
		return err
	}
	s.committing.Lock()
	defer s.committing.Unlock()
	all, err := s.checkpointOnce()
	if all {
		s.walBytes.Store(0)
	}
	return err
}

func (s *Store) checkpointOnce() (all bool, err error) {
	_, err = s.checkpoint.one(func(r row) error {
		all = r.int(0) == 0 && r.int(1) == r.int(2)
		return nil
	}, `PRAGMA wal_checkpoint(PASSIVE)`)
	return all, err
}

// prepareWAL fills the part of the WAL file that was never written with zeros,
// once somebody waits for commits. To sync what lies within a file takes
// a third of the time that it takes to sync what makes a file longer: there the
// filesystem must write its own journal too (measured: 0.25 against 0.7 ms).
// SQLite takes no zeros for a frame. Opening the WAL is safe: none of SQLite's
// locks are on it.
func (s *Store) prepareWAL() error {
	f, err := os.OpenFile(s.path+"-wal", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := s.fillWAL(f); err != nil {
		return err
	}
	return f.Sync() // and not whoever commits next
}

// fillWAL keeps commits away: they write at the end too.
func (s *Store) fillWAL(f *os.File) error {
	s.committing.Lock()
	defer s.committing.Unlock()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	missing := s.options.WAL - info.Size()
	if missing <= 0 {
		return nil
	}
	_, err = f.WriteAt(make([]byte, missing), info.Size())
	return err
}
