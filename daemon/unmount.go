package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"

	"spacefs/fusefs"
	"spacefs/materialize"
	"spacefs/spacedb"
)

// grace is how long those who use a mount have to leave it after SIGTERM. It is
// out of sight then; the session or the system is about to end.
const grace = 10 * time.Second

// serve returns when the space is unmounted, by whomever. The first SIGINT or
// SIGTERM unmounts; who still uses the mount has some grace, which a second one
// ends. A third ends the process without the final sync.
func (m *mounted) serve(ctx context.Context) {
	gone := make(chan struct{})
	go func() {
		m.server.Wait()
		close(gone)
	}()
	var end <-chan time.Time // of the grace
	for asked := ctx.Done(); ; {
		select {
		case <-gone:
		case <-end:
			m.cutOff()
		case <-m.signals:
			if end == nil {
				end = m.leave()
				continue
			}
			m.cutOff()
		case <-asked:
			asked = nil
			end = m.leave()
			continue
		}
		go func() { // from here on, to force is to give up the final sync
			<-m.signals
			os.Exit(int(Interrupts))
		}()
		return
	}
}

// leave unmounts, whoever still uses the mount.
func (m *mounted) leave() (end <-chan time.Time) {
	if m.server.Unmount() != nil {
		_ = m.server.Detach()
	}
	return time.After(grace)
}

// cutOff lets nobody in any more who is still there. What they did so far is in
// the space.
func (m *mounted) cutOff() {
	slog.Warn("cut off from the mount, which has to end", "mountpoint", m.server.Dir(), "users", inUse(m.server.Dir()))
	m.server.Shut()
}

// finish makes everything durable, syncs the mirrors and closes the store.
func (m *mounted) finish(ctx context.Context, s *service) (reports []SyncReport, err error) {
	ctx = context.WithoutCancel(ctx)
	err = s.store.Seal(ctx)
	if err == nil {
		if reports, err = m.syncAll(ctx, s, m.report); err != nil {
			err = &Error{ClassOf(err), fmt.Sprintf("the final sync did not happen: %v (the space has everything)", err)}
		}
	}
	return reports, errors.Join(err, s.store.Close())
}

// unmount is what `spacefs unmount` asks for: it returns the final sync's
// reports. A lazy one of a mount in use returns at once, and has none.
func (m *mounted) unmount(ctx context.Context, lazy bool, report materialize.Reporter) ([]SyncReport, error) {
	defer m.report.also(report)()
	m.unmounting.RLock()
	err := m.server.Unmount()
	m.unmounting.RUnlock()
	if errors.Is(err, fusefs.ErrBusy) {
		users := m.users()
		if !lazy {
			return nil, &Error{Failed, fmt.Sprintf("%v%s: close what is open there, or leave it with cd; unmount --lazy takes it out of sight at once", err, users)}
		}
		if err = m.server.Detach(); err == nil {
			// Who finds the space in use is not sent to a mount point that is none.
			err = m.store.Announce(spacedb.Holder{PID: os.Getpid(), Socket: m.socket})
			report.Tell(materialize.Event{Event: materialize.Noticed, Reason: m.server.Dir() + " is out of sight, but in use" + users + "; the mount and its final sync end with that"})
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	select {
	case <-m.final:
		return m.reports, m.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// users says by whom the mount is used, as far as can be seen.
func (m *mounted) users() string {
	dir := m.server.Dir()
	who := inUse(dir)
	inner, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) {
		return i.Mountpoint == dir || !inside(i.Mountpoint, dir), false
	})
	if err == nil && len(inner) > 0 {
		names := []string{"what is mounted at " + inner[0].Mountpoint}
		if who != "" {
			names = append(names, who)
		}
		who = strings.Join(names, ", ")
	}
	if who != "" {
		return " by " + who
	}
	return ""
}
