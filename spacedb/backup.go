package spacedb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// BackupResult is a backup that was verified.
type BackupResult struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	Seq   uint64 `json:"seq"` // the last operation in it
}

// Backup writes the space as it is now, with all its history, to a new file at
// dest, while work goes on. The file appears only when it is complete, durable
// and verified as Check does it.
func (s *Store) Backup(ctx context.Context, dest string) (r BackupResult, err error) {
	r.Path = dest
	if _, err := os.Lstat(dest); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fmt.Errorf("%s: already exists; a backup replaces nothing", dest)
		}
		return r, err
	}
	if dir := filepath.Dir(dest); !isDir(dir) {
		return r, fmt.Errorf("the directory %s does not exist; make it with: mkdir -p %s", dir, dir)
	}
	if err := s.Seal(ctx); err != nil {
		return r, err
	}
	if err := s.Sync(); err != nil {
		return r, err
	}
	// Made by us, so that it is private from its first byte.
	f, err := os.CreateTemp(filepath.Dir(dest), filepath.Base(dest)+".*.new")
	if err != nil {
		return r, err
	}
	staged := f.Name()
	f.Close()
	defer func() {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			_ = os.Remove(staged + suffix)
		}
	}()
	if err := s.copyInto(staged); err != nil {
		return r, fmt.Errorf("backup to %s: %w", dest, err)
	}
	if err := ctx.Err(); err != nil {
		return r, err
	}
	if r.Seq, err = verifyBackup(ctx, staged); err != nil {
		return r, fmt.Errorf("backup to %s: %w", dest, err)
	}
	if r.Bytes, err = syncFile(staged); err != nil {
		return r, err
	}
	// Link, not rename: what came to dest meanwhile is not ours to replace.
	if err := os.Link(staged, dest); err != nil {
		return r, err
	}
	return r, syncDir(filepath.Dir(dest))
}

// copyInto copies what one read transaction sees. The copy has no free pages.
func (s *Store) copyInto(path string) error {
	c, err := openConn(s.path, s.readers.mode)
	if err != nil {
		return err
	}
	// VACUUM INTO writes only the other file, but counts as writing.
	err = c.exec("PRAGMA query_only=OFF")
	c.forget() // a pragma that answers counts as going on, and VACUUM wants none
	if err == nil {
		err = c.exec("VACUUM INTO ?", path)
	}
	return errors.Join(err, c.close())
}

// verifyBackup makes the copy a space like any other, and checks it.
func verifyBackup(ctx context.Context, path string) (seq uint64, err error) {
	c, err := openConn(path, modeWrite)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if _, err := c.one(func(row) error { return nil }, "PRAGMA journal_mode=WAL"); err != nil {
		return 0, err
	}
	// What is beyond the moment that was copied is none of it.
	if err := c.exec(`DELETE FROM redo`); err != nil {
		return 0, err
	}
	if err := c.query(func(row) error { return nil }, `PRAGMA incremental_vacuum`); err != nil {
		return 0, err
	}
	findings, err := checkFile(ctx, c)
	if err == nil && len(findings) > 0 {
		err = fmt.Errorf("the copy is not sound, as the space may not be (see spacefs check): %s, and %d more", findings[0], len(findings)-1)
	}
	if err != nil {
		return 0, err
	}
	_, err = c.one(func(r row) error { seq = uint64(r.int(0)); return nil }, `SELECT seq FROM space`)
	return seq, err
}

func syncFile(path string) (size int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), f.Sync()
}
