package spacedb

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/gofrs/flock"
)

const lockSuffix = ".lock"

// lockFile is the advisory lock beside a space, PATH.lock. Whoever holds it may
// open the space; what is written in it tells everybody else who that is. The
// space file itself is never opened for this: closing any handle to it would
// drop SQLite's own locks.
type lockFile struct {
	path string
	held *flock.Flock // nil of nobody's lock
}

func acquireLock(space string) (*lockFile, error) {
	l := &lockFile{path: space + lockSuffix}
	for {
		l.held = flock.New(l.path, flock.SetPermissions(0o600))
		ok, err := l.held.TryLock()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", l.path, err)
		}
		if !ok {
			l.held.Close()
			h, _ := readHolder(l.path)
			return nil, &InUseError{Path: space, Holder: h}
		}
		if l.current() {
			return l, l.announce(Holder{PID: os.Getpid()})
		}
		l.held.Close() // its last holder removed it between our open and our lock
	}
}

// current says whether the path still names the file that was locked.
func (l *lockFile) current() bool {
	locked, err := l.held.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(l.path)
	return err == nil && os.SameFile(locked, named)
}

// announce replaces what the file says, in place: the lock belongs to the file,
// not to its name.
func (l *lockFile) announce(h Holder) error {
	if l.held == nil {
		return fmt.Errorf("no lock can be made beside the space, and without one it cannot be mounted; copy it to where one can be")
	}
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return os.WriteFile(l.path, append(text, '\n'), 0o600)
}

func (l *lockFile) release() error {
	if l.held == nil {
		return nil
	}
	err := os.Remove(l.path)
	if cannotBeWritten(err) {
		err = nil // a leftover locks nothing
	}
	return errors.Join(err, l.held.Close())
}

func readHolder(path string) (h Holder, err error) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &h)
	}
	return h, err
}

// WhoHolds tells who has the space at path open; ok is false when nobody has.
func WhoHolds(path string) (h Holder, ok bool, err error) {
	lock := path + lockSuffix
	if _, err := os.Stat(lock); errors.Is(err, os.ErrNotExist) {
		return Holder{}, false, nil
	}
	probe := flock.New(lock, flock.SetFlag(os.O_RDONLY))
	defer probe.Close()
	free, err := probe.TryRLock()
	if errors.Is(err, os.ErrNotExist) || free {
		return Holder{}, false, nil // a leftover of a process that died
	}
	if err != nil {
		return Holder{}, false, fmt.Errorf("lock %s: %w", lock, err)
	}
	h, _ = readHolder(lock) // a holder that is just writing it is still a holder
	return h, true, nil
}
