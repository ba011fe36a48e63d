package daemon

import (
	"context"
	"errors"

	"spacefs/fusefs"
	"spacefs/materialize"
	"spacefs/spacedb"
)

// Class is what kind of end something came to. It is the exit code of a
// command, and crosses the control socket with an error's text.
type Class int

const (
	Done       Class = 0
	Failed     Class = 1
	Usage      Class = 2
	Partial    Class = 3 // some paths failed
	Conflicts  Class = 4 // unresolved conflicts remain
	Guarded    Class = 5 // stopped before anything was done
	NoSpace    Class = 10
	InUse      Class = 11
	Mounted    Class = 12 // already mounted
	Interrupts Class = 130
)

// Error is an error with its class.
type Error struct {
	Class Class  `json:"class"`
	Text  string `json:"text"`
}

func (e *Error) Error() string { return e.Text }

// ClassOf is the table of exit codes.
func ClassOf(err error) Class {
	var known *Error
	var guard *materialize.GuardError
	var inUse *spacedb.InUseError
	switch {
	case err == nil:
		return Done
	case errors.As(err, &known):
		return known.Class
	case errors.As(err, &guard):
		return Guarded
	case errors.As(err, &inUse):
		if inUse.Holder.Mountpoint != "" {
			return Mounted
		}
		return InUse
	case errors.Is(err, spacedb.ErrNoSuchSpace):
		return NoSpace
	case errors.Is(err, fusefs.ErrBusy):
		return Failed
	case errors.Is(err, context.Canceled):
		return Interrupts
	}
	return Failed
}
