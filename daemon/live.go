package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"spacefs/conflict"
	"spacefs/materialize"
)

// quiet is how long a document must have rested before it goes to the mirror by
// itself, if no program has it open for writing. Where that cannot be asked, the
// store's longer time decides.
const quiet = 50 * time.Millisecond

// following are the mirrors of a space that are kept in step.
type following struct {
	syncing sync.Mutex // held by whoever syncs: one at a time

	mu   sync.Mutex // guards live
	live map[string]*materialize.Live
}

// alone runs a sync while no other one runs.
func (f *following) alone(work func()) {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	work()
}

// state is how a mirror that is kept in step is; nil for others.
func (f *following) state(dir string) *materialize.LiveStatus {
	f.mu.Lock()
	l := f.live[dir]
	f.mu.Unlock()
	if l == nil {
		return nil
	}
	st := l.Status()
	return &st
}

func (f *following) add(dir string, l *materialize.Live) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.live[dir] != nil {
		return &Error{Failed, dir + " is kept in step already; spacefs status tells how"}
	}
	if f.live == nil {
		f.live = map[string]*materialize.Live{}
	}
	f.live[dir] = l
	return nil
}

func (f *following) remove(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.live, dir)
}

// follow keeps a mirror in step until ctx is done.
func (s *service) follow(ctx context.Context, dir string, r SyncRequest, report materialize.Reporter) error {
	rest := time.Duration(0)
	if s.mount == nil || s.mount.server.KnowsWriters() {
		rest = quiet
	}
	l := materialize.NewLive(s.store, dir, materialize.LiveOptions{
		Sync:  materialize.SyncOptions{Rules: r.rules(), MaxDelete: r.MaxDelete, Reporter: report},
		Quiet: rest,
		Alone: s.following.alone,
		Synced: func(result materialize.SyncResult, err error) {
			if err != nil {
				slog.Warn("a live sync did not happen; it is tried again", "mirror", dir, "err", err)
			}
		},
	})
	if err := s.following.add(dir, l); err != nil {
		return err
	}
	defer s.following.remove(dir)
	l.Run(ctx)
	return nil
}

// watch is `sync --watch`: it syncs, keeps in step until ctx is done, and syncs
// a last time.
func (s *service) watch(ctx context.Context, r SyncRequest, report materialize.Reporter) ([]SyncReport, error) {
	dirs, err := s.wanted(r)
	if err != nil {
		return nil, err
	}
	if _, err := s.sync(ctx, r, report); err != nil {
		return nil, err
	}
	report.Tell(materialize.Event{Event: materialize.Noticed, Reason: fmt.Sprintf("%s in step from here on; end it with Ctrl-C", theyAre(dirs))})
	r.AcceptDeletes = false   // that was for the first
	report = newRelay(report) // several tell
	var wg sync.WaitGroup
	failed := make([]error, len(dirs))
	for i, dir := range dirs {
		wg.Go(func() { failed[i] = s.follow(ctx, dir, r, liveReporter{report}) })
	}
	wg.Wait()
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	return s.sync(context.WithoutCancel(ctx), r, report)
}

func theyAre(dirs []string) string {
	if len(dirs) == 1 {
		return dirs[0] + " is kept"
	}
	return fmt.Sprintf("%d mirrors are kept", len(dirs))
}

func (r SyncRequest) rules() conflict.Rules {
	return conflict.Rules{Direction: r.Direction, Strategies: r.Strategies, DeleteOrphans: r.DeleteOrphans}
}

// liveReporter passes on what a live sync does, and nothing of those that find
// nothing to do.
type liveReporter struct{ materialize.Reporter }

func (l liveReporter) Tell(e materialize.Event) {
	n := e.Counts
	switch {
	case e.Event == materialize.Progress, e.Event == materialize.Started && e.Total == 0:
	case e.Event == materialize.Completed && e.Outcome == materialize.OutcomeOK && n["to_space"]+n["to_mirror"]+n["adopted"] == 0:
	default:
		l.Reporter.Tell(e)
	}
}

func (liveReporter) Step() {}

// syncAll syncs every mirror of a mount. One that cannot be synced does not keep
// the others from it.
func (m *mounted) syncAll(ctx context.Context, s *service, report materialize.Reporter) (reports []SyncReport, failed error) {
	for _, dir := range m.request.Mirrors {
		r := m.request.Sync
		r.Dir = dir
		done, err := s.sync(ctx, r, report)
		reports, failed = append(reports, done...), errors.Join(failed, err)
	}
	return reports, failed
}

// follow keeps the mirrors of a mount in step until unfollow is called.
func (m *mounted) follow(ctx context.Context, s *service) (unfollow func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var all sync.WaitGroup
	for _, dir := range m.request.Mirrors {
		all.Go(func() {
			if err := s.follow(ctx, dir, m.request.Sync, nil); err != nil {
				slog.Error("a mirror is not kept in step", "mirror", dir, "err", err)
			}
		})
	}
	return func() {
		cancel()
		all.Wait()
	}
}
