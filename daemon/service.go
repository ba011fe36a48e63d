package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"

	"spacefs/fusefs"
	"spacefs/materialize"
	"spacefs/spacedb"
)

// service does the operations on an open store. mount is nil when the space is
// open for one command only.
type service struct {
	store     *spacedb.Store
	mount     *mounted
	following following
}

// Status is the state of a space; the part about the mount is empty when it is
// not mounted.
type Status struct {
	spacedb.Status
	PID        int                            `json:"pid"`
	Mountpoint string                         `json:"mountpoint,omitempty"`
	Mirrors    []MirrorStatus                 `json:"mirrors"`
	Conflicts  int                            `json:"conflicts"` // unresolved
	Goroutines int                            `json:"goroutines,omitempty"`
	Requests   map[string]fusefs.RequestCount `json:"requests,omitempty"`
}

// MirrorStatus is the state of a mirror; Live is nil while nobody keeps it in step.
type MirrorStatus struct {
	spacedb.Mirror
	Conflicts int                     `json:"conflicts"` // unresolved
	Live      *materialize.LiveStatus `json:"live,omitempty"`
}

// call runs an operation in this process.
func (s *service) call(ctx context.Context, op string, args, result any, report materialize.Reporter, data io.Writer) error {
	text, err := json.Marshal(args)
	if err != nil {
		return err
	}
	out, err := s.do(ctx, op, text, report, data)
	if err != nil {
		return err
	}
	return through(out, result)
}

// do is the table of operations.
func (s *service) do(ctx context.Context, op string, args json.RawMessage, report materialize.Reporter, data io.Writer) (any, error) {
	switch op {
	case "sync":
		return with(args, func(r SyncRequest) (any, error) { return s.sync(ctx, r, report) })
	case "watch":
		return with(args, func(r SyncRequest) (any, error) { return s.watch(ctx, r, report) })
	case "export":
		return with(args, func(r ExportRequest) (any, error) { return s.export(ctx, r, report, data) })
	case "import":
		return with(args, func(r ImportRequest) (any, error) { return s.importFrom(ctx, r, report, data) })
	case "status":
		return s.status()
	case "conflicts":
		return with(args, func(all bool) (any, error) { return s.store.Conflicts(!all) })
	case "sides":
		return with(args, func(r ResolveRequest) (any, error) { return s.sides(ctx, r) })
	case "resolve":
		return with(args, func(r ResolveRequest) (any, error) { return s.resolve(ctx, r, report) })
	case "runs":
		return s.runs()
	case "run":
		return with(args, func(id int64) (any, error) { return s.run(id) })
	case "plan":
		return with(args, func(r SyncRequest) (any, error) { return s.plan(ctx, r, report) })
	case "apply":
		return with(args, func(r ApplyRequest) (any, error) { return s.apply(ctx, r, report) })
	case "undo":
		return with(args, func(r UndoRequest) (any, error) { return s.undo(ctx, r, report) })
	case "explain":
		return with(args, func(r ExplainRequest) (any, error) { return s.explain(ctx, r) })
	case "junk":
		return with(args, s.junk)
	case "check":
		return s.store.Check(ctx)
	case "unmount":
		if s.mount != nil {
			return with(args, func(lazy bool) (any, error) { return s.mount.unmount(ctx, lazy, report) })
		}
		return nil, &Error{Failed, "the space is not mounted"}
	}
	if operation, known := s.pastOperations(ctx, report, data)[op]; known {
		return operation(args)
	}
	if operation, known := s.upkeepOperations(ctx)[op]; known {
		return operation(args)
	}
	return nil, &Error{Failed, fmt.Sprintf("this spacefs knows no %q: is the daemon of another version?", op)}
}

func with[T any](args json.RawMessage, fn func(T) (any, error)) (any, error) {
	var v T
	if err := json.Unmarshal(args, &v); err != nil {
		return nil, err
	}
	return fn(v)
}

func (s *service) sync(ctx context.Context, r SyncRequest, report materialize.Reporter) ([]SyncReport, error) {
	dirs, err := s.wanted(r)
	if err != nil {
		return nil, err
	}
	var reports []SyncReport
	for _, dir := range dirs {
		if err := s.checkPlaces(dir, mirror); err != nil {
			return nil, err
		}
		var result materialize.SyncResult
		s.following.alone(func() {
			result, err = materialize.Sync(ctx, s.store, dir, materialize.SyncOptions{
				Rules: r.rules(), Metadata: r.Metadata, DryRun: r.DryRun, AcceptDeletes: r.AcceptDeletes, MaxDelete: r.MaxDelete, Reporter: report,
			})
		})
		if err != nil {
			return nil, err
		}
		reports = append(reports, SyncReport{dir, result.Run, len(result.Failed), result.Contested()})
	}
	return reports, nil
}

// wanted are the mirrors that a request is about.
func (s *service) wanted(r SyncRequest) ([]string, error) {
	if r.Dir != "" {
		return []string{real(r.Dir)}, nil
	}
	mirrors, err := s.store.Mirrors()
	if err == nil && len(mirrors) == 0 {
		err = &Error{Usage, "this space has no mirror yet; name a directory: spacefs sync SPACE DIR"}
	}
	var dirs []string
	for _, m := range mirrors {
		dirs = append(dirs, m.Path)
	}
	return dirs, err
}

func (s *service) checkPlaces(dir, what string) error {
	mountpoint := ""
	if s.mount != nil && s.mount.server != nil {
		mountpoint = s.mount.server.Dir()
	}
	return checkPlaces(s.store.File(), mountpoint, dir, what)
}

func (s *service) status() (Status, error) {
	st := Status{Status: s.store.Status(), PID: os.Getpid()}
	if s.mount != nil {
		st.Mountpoint = s.mount.server.Dir()
		st.Requests = s.mount.server.Requests()
		st.Goroutines = runtime.NumGoroutine()
	} else {
		st.PID = 0 // nobody has it mounted
	}
	if st.Trouble != "" {
		return st, nil // what follows would have to commit first
	}
	mirrors, err := s.store.Mirrors()
	if err != nil {
		return st, err
	}
	open, err := s.store.Conflicts(true)
	st.Conflicts = len(open)
	for _, m := range mirrors {
		ms := MirrorStatus{Mirror: m, Live: s.following.state(m.Path)}
		for _, c := range open {
			if c.Mirror == m.ID {
				ms.Conflicts++
			}
		}
		st.Mirrors = append(st.Mirrors, ms)
	}
	return st, err
}
