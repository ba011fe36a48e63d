package spacedb

import (
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
)

// What tells a space from other SQLite files, at fixed places in its header
// (https://www.sqlite.org/fileformat2.html#the_database_header).
const (
	applicationID = 0x73706673 // "spfs"
	schemaVersion = 2
	pageSize      = 8192
	chunkSize     = 64 << 10
)

//go:embed migrations/*.sql
var migrations embed.FS

// Create makes an empty space at path and opens it. The file appears only when
// it is complete.
func Create(path string, o Options) (*Store, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%s: %w", path, ErrSpaceExists)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if dir := filepath.Dir(path); !isDir(dir) {
		return nil, fmt.Errorf("the directory %s does not exist; make it with: mkdir -p %s", dir, dir)
	}
	lock, err := acquireLock(path)
	if err != nil {
		return nil, err
	}
	if err := createFile(path, o.now()); err != nil {
		return nil, errors.Join(fmt.Errorf("create %s: %w", path, err), lock.release())
	}
	return open(path, o, lock)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func createFile(path string, now time.Time) error {
	staged := path + ".new"
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(staged + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// Made by us, so that it is private from its first byte.
	f, err := os.OpenFile(staged, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	defer os.Remove(staged)
	c, err := openConn(staged, modeWrite)
	if err != nil {
		return err
	}
	err = fillFile(c, now)
	if err := errors.Join(err, c.close()); err != nil {
		return err
	}
	// Link, not rename: what came to path meanwhile is not ours to replace. Some
	// filesystems have no links; there the lock must do.
	if err := os.Link(staged, path); errors.Is(err, fs.ErrExist) {
		return err
	} else if err != nil {
		if err := os.Rename(staged, path); err != nil {
			return err
		}
	}
	return syncDir(filepath.Dir(path))
}

func fillFile(c *conn, now time.Time) error {
	for _, p := range []string{
		fmt.Sprintf("PRAGMA page_size=%d", pageSize),
		"PRAGMA auto_vacuum=INCREMENTAL",
		"PRAGMA journal_mode=WAL",
	} {
		if _, err := c.one(func(row) error { return nil }, p); err != nil {
			return err
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	err = c.inTx(func() error {
		if err := migrate(c, 0); err != nil {
			return err
		}
		if err := c.exec(fmt.Sprintf("PRAGMA application_id=%d", applicationID)); err != nil {
			return err
		}
		t := now.UnixNano()
		if err := c.exec(`INSERT INTO space VALUES (1, ?, ?, ?, 1, ?, 0, 0, 0, 1, 0, 1, NULL)`,
			id.String(), t, chunkSize, Root); err != nil {
			return err
		}
		if err := c.exec(`INSERT INTO moment VALUES (1, ?)`, t); err != nil {
			return err
		}
		return c.exec(`INSERT INTO node VALUES (?, ?, 2, ?, ?, 0, 0, ?, ?, ?, ?, 1, 0, 0, 0, 0, 0, NULL, 0, 0)`,
			Root, TypeDir|0o755, os.Getuid(), os.Getgid(), t, t, t, t)
	})
	if err != nil {
		return err
	}
	// The header must tell what the file is even to somebody who reads only it.
	_, err = c.one(func(row) error { return nil }, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// migrate brings the schema from version have to schemaVersion, inside the
// caller's transaction.
func migrate(c *conn, have int) error {
	for v := have + 1; v <= schemaVersion; v++ {
		script, err := migrations.ReadFile(fmt.Sprintf("migrations/%04d.sql", v))
		if err != nil {
			return err
		}
		if err := c.script(string(script)); err != nil {
			return fmt.Errorf("migrate to version %d: %w", v, err)
		}
	}
	return c.exec(fmt.Sprintf("PRAGMA user_version=%d", schemaVersion))
}

// Open opens the space at path for this process alone, and migrates it if an
// older spacefs wrote it. A file that is no space, or a newer or damaged one, is
// refused and not changed. One that may not be written is opened for reading.
func Open(path string, o Options) (*Store, error) {
	version, err := identify(path)
	if err != nil {
		return nil, err
	}
	if isReadOnly(path) {
		return openReadOnly(path, version, o)
	}
	if err := checkCompanions(path); err != nil {
		return nil, err
	}
	lock, err := acquireLock(path)
	if err != nil {
		return nil, err
	}
	return open(path, o, lock)
}

// identify reads the header and returns the schema version. It opens the file
// itself, which is harmless only as long as this process has no connection to
// it: a second Open of one space in one process stops at the lock afterwards.
func identify(path string) (version int, err error) {
	if _, held, _ := WhoHolds(path); held {
		return schemaVersion, nil // the lock refuses it next, and says who has it
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s: %w", path, ErrNoSuchSpace)
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s %w: it is a %s", path, ErrNotSpace, kindName(info.Mode()))
	}
	var h [100]byte
	if _, err := io.ReadFull(f, h[:]); err != nil || string(h[:16]) != "SQLite format 3\x00" {
		return 0, fmt.Errorf("%s %w", path, ErrNotSpace)
	}
	if binary.BigEndian.Uint32(h[68:]) != applicationID {
		return 0, fmt.Errorf("%s %w: it is another program's SQLite database", path, ErrNotSpace)
	}
	version = int(binary.BigEndian.Uint32(h[60:]))
	if version > schemaVersion {
		return 0, fmt.Errorf("%s %w (its format is %d, this one knows up to %d)", path, ErrNewerSpace, version, schemaVersion)
	}
	page := int64(binary.BigEndian.Uint16(h[16:]))
	if page == 1 {
		page = 65536
	}
	if want := page * int64(binary.BigEndian.Uint32(h[28:])); info.Size() < want {
		if wal, err := os.Stat(path + "-wal"); err != nil || wal.Size() == 0 {
			return 0, fmt.Errorf("%s %w: %d bytes of %d are missing", path, ErrDamaged, want-info.Size(), want)
		}
	}
	return version, nil
}

func kindName(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "directory"
	case m&fs.ModeSymlink != 0:
		return "symlink"
	}
	return "special file"
}

func open(path string, o Options, lock *lockFile) (_ *Store, err error) {
	s := newStore(path, o, lock)
	defer func() {
		if err != nil {
			s.closeFiles() // they have nothing to add
			if errors.Is(err, ErrDamaged) {
				err = fmt.Errorf("%s %w", path, err)
			} else {
				err = fmt.Errorf("open %s: %w", path, err)
			}
		}
	}()
	if s.write, err = openConn(path, modeWrite); err != nil {
		return nil, err
	}
	if err = s.upgrade(); err != nil {
		return nil, err
	}
	if err = redo(s.write); err != nil {
		return nil, err
	}
	if s.checkpoint, err = openConn(path, modeWrite); err != nil {
		return nil, err
	}
	if s.meta, err = openConn(path, modeRead); err != nil {
		return nil, err
	}
	if err = s.loadSpace(); err != nil {
		return nil, err
	}
	s.start()
	return s, nil
}

// upgrade migrates an older space file in one transaction.
func (s *Store) upgrade() error {
	var version int64
	if _, err := s.write.one(func(r row) error { version = r.int(0); return nil }, "PRAGMA user_version"); err != nil {
		return err
	}
	if version == schemaVersion {
		return nil
	}
	return s.write.inTx(func() error { return migrate(s.write, int(version)) })
}

// loadSpace reads the one row of counters. Everything else is read when asked for.
func (s *Store) loadSpace() error {
	found, err := s.meta.one(func(r row) error {
		s.id = r.text(0)
		s.seq = uint64(r.int(1))
		s.last = counters{node: NodeID(r.int(2)), chunk: r.int(3), document: r.int(4), revision: r.int(5)}
		s.usageNodes.Store(r.int(6))
		s.usageBytes.Store(r.int(7))
		s.sweep = r.int(8) != 1
		return s.loadJunk(r.bytes(9))
	}, `SELECT uuid, seq, node, chunk, document, revision, nodes, bytes, clean, junk FROM space WHERE id = 1`)
	if err != nil {
		return err
	}
	if !found {
		return damaged("table space has no row")
	}
	s.durable.Store(s.seq)
	s.committed.Store(s.seq)
	_, err = s.meta.one(func(row) error { s.anyDetached = true; return nil },
		`SELECT 1 FROM document WHERE path IS NOT NULL LIMIT 1`)
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
