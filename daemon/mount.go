package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"

	"spacefs/fusefs"
	"spacefs/materialize"
	"spacefs/spacedb"
)

// MountRequest is a mount as a command asks for it.
type MountRequest struct {
	Space, Dir string
	Mirrors    []string
	Sync       SyncRequest // how; Dir is not used
	Create     bool        // make a space that does not exist
	AllowOther bool
	ReadOnly   bool
	NoExec     bool
	Debug      bool
}

// mounted is a space while it is mounted. The order of its end: unmount, so
// that nothing changes any more; flush; sync the mirror a last time; close; tell
// who waits.
type mounted struct {
	request MountRequest
	server  *fusefs.Server
	store   *spacedb.Store
	socket  string
	final   chan struct{} // closed when reports and err are there
	reports []SyncReport
	err     error
	report  *relay // whoever hears of the final sync
	signals chan os.Signal

	// unmounting is held shared by who is at unmounting.
	unmounting sync.RWMutex
}

// Mount mounts a space and serves it until it is unmounted; ready is called
// once the mount answers. The reports are the final sync's.
func Mount(ctx context.Context, r MountRequest, report materialize.Reporter, ready func()) ([]SyncReport, error) {
	if err := r.resolve(); err != nil {
		return nil, err
	}
	store, err := r.open()
	if err != nil {
		return nil, err
	}
	m := &mounted{request: r, store: store, final: make(chan struct{}), report: newRelay(report)}
	s := &service{store: store, mount: m}
	if err := m.start(ctx, s, report); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	unlisten, socket, err := s.announce(m.server.Dir())
	if err != nil {
		return nil, errors.Join(err, m.server.Detach(), store.Close())
	}
	m.socket = socket
	unfollow := m.follow(ctx, s)
	ready()
	m.serve(ctx)
	unfollow()
	m.reports, m.err = m.finish(ctx, s)
	close(m.final)
	// The kernel lets go of us before it has dropped what it knew of a large tree, and
	// who asked is told only when it is done.
	m.unmounting.Lock()
	m.unmounting.Unlock() //lint:ignore SA2001 to have had it is the point
	unlisten()
	return m.reports, m.err
}

// announce opens the control socket and tells other processes who has the space.
func (s *service) announce(mountpoint string) (unlisten func(), socket string, err error) {
	listener, socket, err := listen(s.store.File())
	if err != nil {
		return nil, "", err
	}
	control := &http.Server{Handler: s}
	go control.Serve(listener)
	unlisten = func() {
		// Who asked for the end still waits for its answer.
		grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = control.Shutdown(grace)
		_ = os.Remove(socket)
	}
	if err := s.store.Announce(spacedb.Holder{PID: os.Getpid(), Mountpoint: mountpoint, Socket: socket}); err != nil {
		unlisten()
		return nil, "", err
	}
	return unlisten, socket, nil
}

// resolve makes the paths absolute and refuses what cannot work.
func (r *MountRequest) resolve() error {
	var err error
	if r.Space, err = filepath.Abs(r.Space); err != nil {
		return err
	}
	if r.Dir, err = filepath.Abs(r.Dir); err != nil {
		return err
	}
	if h, held, _ := holder(r.Space); held {
		return &spacedb.InUseError{Path: r.Space, Holder: h}
	}
	if _, err := fusefs.Heal(r.Dir); err != nil {
		return err
	}
	if err := checkMountPoint(r.Dir); err != nil {
		return err
	}
	r.Dir = real(r.Dir)
	for i := range r.Mirrors {
		r.Mirrors[i] = real(r.Mirrors[i])
	}
	return r.checkPlaces()
}

// checkPlaces refuses places that meet, also of mirrors with each other: what one
// gets would be new to the other, for ever.
func (r *MountRequest) checkPlaces() error {
	err := checkPlaces(r.Space, r.Dir, "", mirror)
	for i, dir := range r.Mirrors {
		if err == nil {
			err = checkPlaces(r.Space, r.Dir, dir, mirror)
		}
		for _, other := range r.Mirrors[:i] {
			if err == nil && (inside(dir, other) || inside(other, dir)) {
				err = refuse("the mirrors %s and %s are one in the other; use directories side by side", other, dir)
			}
		}
	}
	return err
}

func checkMountPoint(dir string) error {
	if mounted, err := mountinfo.Mounted(dir); err == nil && mounted {
		return &Error{Mounted, dir + " is a mount point already"}
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Error{Failed, fmt.Sprintf("the mount point %s does not exist; make it with: mkdir %s", dir, dir)}
	case errors.Is(err, syscall.ENOTDIR):
		return &Error{Failed, fmt.Sprintf("the mount point %s is not a directory", dir)}
	case err != nil:
		return err
	case len(entries) > 0:
		return &Error{Failed, fmt.Sprintf("the mount point %s is not empty; what is in it would be hidden", dir)}
	}
	return nil
}

func (r *MountRequest) open() (*spacedb.Store, error) {
	store, err := spacedb.Open(r.Space, spacedb.Options{})
	if errors.Is(err, spacedb.ErrNoSuchSpace) {
		if r.Create {
			return spacedb.Create(r.Space, spacedb.Options{})
		}
		return nil, &Error{NoSpace, fmt.Sprintf("%v; make it with: spacefs init %s, or mount with --create", err, r.Space)}
	}
	return store, err
}

// start syncs the mirrors first, so that the mount shows what is in them, and
// then mounts. That deletions are meant is an answer for that sync alone.
func (m *mounted) start(ctx context.Context, s *service, report materialize.Reporter) error {
	if _, err := m.syncAll(ctx, s, report); err != nil {
		return err
	}
	m.request.Sync.AcceptDeletes = false
	// Before there is a mount: who sees one may ask for its end.
	m.signals = make(chan os.Signal, 3)
	signal.Notify(m.signals, syscall.SIGINT, syscall.SIGTERM)
	syscall.Umask(0) // the kernel has applied the caller's
	var err error
	m.server, err = fusefs.Mount(s.store, m.request.Dir, fusefs.Options{
		AllowOther: m.request.AllowOther, NoExec: m.request.NoExec, ReadOnly: m.request.ReadOnly, Debug: m.request.Debug, FsName: m.request.Space,
	})
	if err == nil {
		s.store.SetBusy(m.server.Busy)
	}
	return err
}
