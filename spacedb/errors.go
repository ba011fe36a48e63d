package spacedb

import (
	"errors"
	"fmt"
)

// What a tree operation can refuse. fusefs maps each to one errno.
var (
	ErrNotFound    = errors.New("no such file or directory")
	ErrExist       = errors.New("file exists")
	ErrNotDir      = errors.New("not a directory")
	ErrIsDir       = errors.New("is a directory")
	ErrNotEmpty    = errors.New("directory not empty")
	ErrNameTooLong = errors.New("file name too long")
	ErrInvalid     = errors.New("invalid argument")
	ErrPermission  = errors.New("operation not permitted")
	ErrDenied      = errors.New("permission denied")
	ErrTooLarge    = errors.New("file too large")
	ErrTooManyLink = errors.New("too many links")
	ErrNoXattr     = errors.New("no such attribute")
	ErrNoData      = errors.New("no data from there on")
	ErrRange       = errors.New("result or name out of range")
	ErrUnsupported = errors.New("operation not supported")
	ErrNoSpace     = errors.New("no space left on device")
	ErrReadOnly    = errors.New("the space is read-only")
	ErrClosed      = errors.New("the space is closed")
	// ErrChanged: a guarded operation found something else than it expected.
	ErrChanged = errors.New("changed since it was looked at")
)

// Why a space file cannot be opened or created.
var (
	ErrNoSuchSpace = errors.New("no such space")
	ErrSpaceExists = errors.New("already exists")
	ErrNotSpace    = errors.New("is not a space")
	ErrNewerSpace  = errors.New("was written by a newer spacefs")
	ErrDamaged     = errors.New("is damaged")
)

// InUseError says who holds a space.
type InUseError struct {
	Path   string
	Holder Holder
}

func (e *InUseError) Error() string {
	switch {
	case e.Holder.PID == 0:
		return fmt.Sprintf("%s is in use by another spacefs", e.Path)
	case e.Holder.Mountpoint != "":
		return fmt.Sprintf("%s is mounted at %s, by spacefs with pid %d", e.Path, e.Holder.Mountpoint, e.Holder.PID)
	}
	return fmt.Sprintf("%s is in use by spacefs with pid %d", e.Path, e.Holder.PID)
}

// Holder is what the process that has a space open wrote beside it: who it is,
// and where it listens. Mountpoint and Socket are empty for a short command.
type Holder struct {
	PID        int    `json:"pid"`
	Mountpoint string `json:"mountpoint,omitempty"`
	Socket     string `json:"socket,omitempty"`
}
