package spacedb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A space whose file may not be written, because its owner closed it off or it
// lies on a read-only medium, can be looked at in every way. Every change is
// refused with ErrReadOnly, and nothing is left beside the file.

// openReadOnly opens it. SQLite is told that nobody writes to the file, or it
// would want files of its own beside it.
func openReadOnly(path string, version int, o Options) (*Store, error) {
	if version != schemaVersion {
		return nil, fmt.Errorf("%s: %w, and was written by an older spacefs; %s", path, ErrReadOnly, makeWritable)
	}
	if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > 0 {
		return nil, fmt.Errorf("%s: %w, and was not closed: %s-wal has what is still to be written; %s", path, ErrReadOnly, path, makeWritable)
	}
	lock, err := acquireLock(path)
	if cannotBeWritten(err) {
		lock, err = nobodysLock(path)
	}
	if err != nil {
		return nil, err
	}
	s := newStore(path, o, lock)
	s.readers.mode = modeImmutable
	s.trouble = fmt.Errorf("%s: %w; %s", path, ErrReadOnly, makeWritable)
	s.readOnly = true
	if s.meta, err = s.readers.get(); err == nil {
		err = s.loadSpace()
	}
	if err == nil {
		err = s.nothingToRedo()
	}
	if err != nil {
		s.closeFiles() // they have nothing to add
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	s.sweep = false // it would have to be written
	return s, nil
}

// nothingToRedo: what was durable would be missing otherwise.
func (s *Store) nothingToRedo() error {
	batches, err := unredone(s.meta)
	if err == nil && len(batches) > 0 {
		err = fmt.Errorf("%w, and was not closed: what was written last is still in its redo log; %s", ErrReadOnly, makeWritable)
	}
	return err
}

const makeWritable = "to go on, make it writable, or copy it to where it can be"

// nobodysLock stands for a lock in a directory where none can be made: whoever
// has one there may write, and goes first.
func nobodysLock(path string) (*lockFile, error) {
	h, held, err := WhoHolds(path)
	if err != nil {
		return nil, err
	}
	if held {
		return nil, &InUseError{Path: path, Holder: h}
	}
	return &lockFile{}, nil
}

// isReadOnly says whether this process may not write to the file at path.
func isReadOnly(path string) bool {
	return cannotBeWritten(unix.Access(path, unix.W_OK))
}

func cannotBeWritten(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// checkCompanions refuses a space whose WAL was left with rights that keep this
// process from writing it: SQLite would open it, and fail at the first commit.
func checkCompanions(path string) error {
	for _, suffix := range []string{"-wal", "-shm"} {
		if isReadOnly(path + suffix) {
			return fmt.Errorf("%s cannot be written, and is part of the space; give it the rights of %s, with: chmod u+rw %s", path+suffix, path, path+suffix)
		}
	}
	return nil
}
