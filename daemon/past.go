package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"spacefs/materialize"
	"spacefs/spacedb"
)

// operation runs with its arguments as JSON.
type operation func(args json.RawMessage) (any, error)

func operationOf[T any](fn func(T) (any, error)) operation {
	return func(args json.RawMessage) (any, error) { return with(args, fn) }
}

// pastOperations are those that look at the past of a space, or bring it back.
func (s *service) pastOperations(ctx context.Context, report materialize.Reporter, data io.Writer) map[string]operation {
	return map[string]operation{
		"log":     operationOf(func(r LogRequest) (any, error) { return s.log(ctx, r) }),
		"deleted": operationOf(func(path []byte) (any, error) { return s.store.Deleted(string(path)) }),
		"cat":     operationOf(func(r catRequest) (any, error) { return s.cat(r, data) }),
		"diff":    operationOf(func(r DiffRequest) (any, error) { return s.diff(r) }),
		"restore": operationOf(func(r RestoreRequest) (any, error) { return s.restore(ctx, r, report) }),
	}
}

// LogRequest asks what happened to a document, or below a directory.
type LogRequest struct {
	Path  []byte `json:"path"` // a name need not be UTF-8, and JSON must be
	Limit int    `json:"limit"`
}

// LogResult is a log, newest first.
type LogResult struct {
	Entries []spacedb.LogEntry `json:"entries"`
	More    bool               `json:"more"` // there are older ones
}

// Log tells what happened to a document or below a directory.
func (s *Space) Log(ctx context.Context, path string, limit int) (out LogResult, err error) {
	err = s.call(ctx, "log", LogRequest{[]byte(path), limit}, &out, nil, nil)
	return out, err
}

func (s *service) log(ctx context.Context, r LogRequest) (LogResult, error) {
	entries, more, err := s.store.Log(ctx, string(r.Path), r.Limit)
	if err != nil {
		err = fmt.Errorf("%s: %w", r.Path, err)
	}
	return LogResult{entries, more}, err
}

// Deleted lists the documents that were deleted at path or below it.
func (s *Space) Deleted(ctx context.Context, path string) (out []spacedb.DeletedDocument, err error) {
	err = s.call(ctx, "deleted", []byte(path), &out, nil, nil)
	return out, err
}

// catRequest names one revision; see spacedb.Store.OpenRevision.
type catRequest struct {
	Path []byte `json:"path"`
	Rev  string `json:"rev"`
}

// Cat writes a revision's content to w.
func (s *Space) Cat(ctx context.Context, path, rev string, w io.Writer) error {
	var size int64
	return s.call(ctx, "cat", catRequest{[]byte(path), rev}, &size, nil, w)
}

func (s *service) cat(r catRequest, w io.Writer) (int64, error) {
	content, _, err := s.store.OpenRevision(string(r.Path), r.Rev)
	if errors.Is(err, spacedb.ErrNotFound) {
		return 0, fmt.Errorf("%s: %w", r.Path, err)
	}
	if err != nil {
		return 0, err
	}
	defer content.Close()
	return io.Copy(w, content)
}

// RestoreRequest is a restore as a command asks for it; see
// materialize.RestoreOptions.
type RestoreRequest struct {
	Path   []byte         `json:"path"`
	Rev    string         `json:"rev,omitempty"`
	At     spacedb.Moment `json:"at,omitzero"`
	Run    int64          `json:"run,omitempty"`
	To     []byte         `json:"to,omitempty"`
	DryRun bool           `json:"dry_run,omitempty"`
}

// Restore brings a document, a tree, or what a run took, back.
func (s *Space) Restore(ctx context.Context, r RestoreRequest, report materialize.Reporter) (out materialize.RestoreResult, err error) {
	err = s.call(ctx, "restore", r, &out, report, nil)
	return out, err
}

func (s *service) restore(ctx context.Context, r RestoreRequest, report materialize.Reporter) (materialize.RestoreResult, error) {
	return materialize.Restore(ctx, s.store, materialize.RestoreOptions{
		Path: string(r.Path), Rev: r.Rev, At: r.At, Run: r.Run, To: string(r.To), DryRun: r.DryRun, Reporter: report,
	})
}
