package daemon

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// showing is how long a command waits at most for the mount to show what the
// space holds. It is a matter of milliseconds, unless the kernel is held up.
const showing = 5 * time.Second

// letShow comes between an operation and its answer: who has the answer, and looks
// into the mount, must not find what was there before. That goes also for an
// operation that failed half-way, and for one that found done what the follower of
// a mirror did a moment ago. The follower itself does not wait.
func (s *service) letShow(ctx context.Context, op string) {
	if s.mount == nil || op == "unmount" || op == "status" { // status is asked when something is amiss
		return
	}
	ctx, cancel := context.WithTimeout(ctx, showing)
	defer cancel()
	if err := s.mount.server.CatchUp(ctx); errors.Is(err, context.DeadlineExceeded) {
		slog.Warn("the kernel has not taken yet what was changed; until it does, the mount shows what was there before", "mountpoint", s.mount.server.Dir(), "after", op)
	}
}
