// Package daemon keeps one space open: for a mount that serves it until it is
// unmounted, or for the moment of a command. A command does not care which: it
// connects, and speaks either to the store in its own process or, through the
// control socket, to the process that has the space mounted.
package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"spacefs/conflict"
	"spacefs/materialize"
	"spacefs/spacedb"
)

// Space is a space that somebody has open.
type Space struct {
	caller
	close func() error
}

// caller runs an operation by name. args and result are JSON on the way; data
// takes the bytes an operation streams.
type caller interface {
	call(ctx context.Context, op string, args, result any, report materialize.Reporter, data io.Writer) error
}

// Connect opens the space at path, or talks to the process that has it mounted.
func Connect(path string) (*Space, error) {
	h, held, err := holder(path)
	if err != nil {
		return nil, err
	}
	if held && h.Socket != "" {
		return &Space{client{h.Socket}, func() error { return nil }}, nil
	}
	store, err := spacedb.Open(path, spacedb.Options{})
	if err != nil {
		return nil, err
	}
	return &Space{&service{store: store}, store.Close}, nil
}

// Watch keeps mirrors in step until ctx is done. Meanwhile other commands find
// the space through the control socket, as they do when it is mounted.
func (s *Space) Watch(ctx context.Context, r SyncRequest, report materialize.Reporter) (out []SyncReport, err error) {
	if own, ok := s.caller.(*service); ok {
		unlisten, _, err := own.announce("")
		if err != nil {
			return nil, err
		}
		defer unlisten()
	}
	err = s.call(ctx, "watch", r, &out, report, nil)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) { // the daemon goes on by itself
		err = nil
	}
	return out, err
}

// Close lets go of the space.
func (s *Space) Close() error { return s.close() }

// SyncRequest is a sync as a command asks for it.
type SyncRequest struct {
	Dir           string              `json:"dir"` // "": the mirrors that are known
	Direction     conflict.Direction  `json:"direction"`
	Strategies    []conflict.Strategy `json:"strategies,omitempty"`
	DryRun        bool                `json:"dry_run"`
	DeleteOrphans bool                `json:"delete_orphans"`
	AcceptDeletes bool                `json:"accept_deletes"`
	MaxDelete     materialize.Limit   `json:"max_delete"`
	Metadata      *bool               `json:"metadata,omitempty"` // nil: as the mirror was synced last
}

// SyncReport is how a sync ended. What it did, its events tell.
type SyncReport struct {
	Mirror     string `json:"mirror"`
	Run        int64  `json:"run,omitempty"`
	Failed     int    `json:"failed"`
	Unresolved int    `json:"unresolved"`
}

// Class is the exit code the report deserves.
func (r SyncReport) Class() Class {
	switch {
	case r.Failed > 0:
		return Partial
	case r.Unresolved > 0:
		return Conflicts
	}
	return Done
}

// Sync syncs one mirror, or every mirror that is known.
func (s *Space) Sync(ctx context.Context, r SyncRequest, report materialize.Reporter) (out []SyncReport, err error) {
	err = s.call(ctx, "sync", r, &out, report, nil)
	return out, err
}

// Status tells how the space is.
func (s *Space) Status(ctx context.Context) (out Status, err error) {
	err = s.call(ctx, "status", nil, &out, nil, nil)
	return out, err
}

// Conflicts lists the unresolved conflicts, or all there ever were.
func (s *Space) Conflicts(ctx context.Context, all bool) (out []spacedb.ConflictRecord, err error) {
	err = s.call(ctx, "conflicts", all, &out, nil, nil)
	return out, err
}

// Check verifies the whole space.
func (s *Space) Check(ctx context.Context) (out []spacedb.Finding, err error) {
	err = s.call(ctx, "check", nil, &out, nil, nil)
	return out, err
}

// Unmount unmounts the space, waits for the final sync and returns its report.
// A lazy one does not wait for who uses the mount, and then has none.
func (s *Space) Unmount(ctx context.Context, lazy bool, report materialize.Reporter) (out []SyncReport, err error) {
	err = s.call(ctx, "unmount", lazy, &out, report, nil)
	return out, err
}

// through passes a value on as JSON, as the socket does.
func through(from, to any) error {
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		return fmt.Errorf("pass a result on: %w", err)
	}
	return nil
}
