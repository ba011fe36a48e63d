package spacedb

import (
	"context"
	"fmt"
	"os"
)

// CompactResult is the space file's size in bytes.
type CompactResult struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// compactPages is how many pages move between two looks at who else wants to
// commit.
const compactPages = 1024

// Compact packs what history has unpacked, moves the file's last pages into its
// free ones, and cuts it off, while work goes on.
func (s *Store) Compact(ctx context.Context) (r CompactResult, err error) {
	if s.readOnly {
		return r, s.trouble
	}
	if err := s.Sync(); err != nil {
		return r, err
	}
	if err := s.checkpointed(); err != nil {
		return r, err
	}
	if r.Before, err = fileSize(s.path); err != nil {
		return r, err
	}
	if err := s.packSuperseded(ctx); err != nil {
		return r, err
	}
	if err := s.Sync(); err != nil {
		return r, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		moved, err := s.compactSome()
		if err != nil {
			return r, fmt.Errorf("compact %s: %w", s.path, err)
		}
		if moved == 0 {
			break
		}
	}
	if err := s.checkpointed(); err != nil {
		return r, err
	}
	r.After, err = fileSize(s.path)
	return r, err
}

// compactSome frees some pages at the end of the file.
func (s *Store) compactSome() (moved int, err error) {
	s.committing.Lock()
	defer s.committing.Unlock()
	if s.running != nil {
		return 0, fmt.Errorf("a commit has failed, see spacefs status")
	}
	if err := s.dropRedo(); err != nil {
		return 0, err
	}
	var free int64
	if _, err = s.write.one(func(r row) error { free = r.int(0); return nil }, `PRAGMA freelist_count`); err != nil || free == 0 {
		return 0, err
	}
	// It answers with an empty row for each page, and stops when nobody asks.
	err = s.write.query(func(row) error { moved++; return nil }, fmt.Sprintf(`PRAGMA incremental_vacuum(%d)`, compactPages))
	return moved, err
}

// checkpointed copies the WAL, at whose end the file is cut to its size. What a
// reader still sees is left for the next time.
func (s *Store) checkpointed() error {
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	s.committing.Lock()
	defer s.committing.Unlock()
	_, err := s.write.one(func(row) error { return nil }, `PRAGMA wal_checkpoint(PASSIVE)`)
	return err
}

// fileSize asks by name: opening the file a second time would cost SQLite its
// locks.
func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
