package fusefs

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"spacefs/spacedb"
)

// Options of Mount.
type Options struct {
	AllowOther bool   // let other users in; modes and owners decide how far
	ReadOnly   bool   // refuse changes through the mount
	NoExec     bool   // refuse to run programs in it
	Debug      bool   // log every request
	FsName     string // what the mount table calls the source: the space's path
}

// Server is a mounted space.
type Server struct {
	dir      string // absolute, without symlinks
	device   uint64 // st_dev of everything in the mount
	store    *spacedb.Store
	fuse     *fuse.Server
	counter  *counter
	notifier *notifier
	visitor  *visitor
	over     chan struct{} // closed by end: nobody sees anything in there any more
	end      func()
	ended    chan struct{}

	// visiting is held shared by those of us who work inside the mount, so that
	// Unmount does not find it in use by us. It comes before every other lock.
	visiting sync.RWMutex
	isShut   bool // guarded by visiting: nobody answers in there any more
}

// ErrBusy: some program has a file open in the mount, or works in it.
var ErrBusy = errors.New("in use")

// Mount mounts the store's tree at dir and returns once it answers. As root it
// asks the kernel, otherwise fusermount3. The process's umask must be 0: the
// kernel has applied the caller's.
func Mount(store *spacedb.Store, dir string, o Options) (*Server, error) {
	s, err := mount(store, dir, o)
	if err != nil {
		return nil, fmt.Errorf("mount at %s: %s", dir, strings.TrimSpace(err.Error()))
	}
	return s, nil
}

func mount(store *spacedb.Store, dir string, o Options) (*Server, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, err
	}
	if o.FsName == "" {
		o.FsName = typeName
	}
	files := newFileSystem(store)
	s := &Server{
		dir:     dir,
		store:   store,
		counter: &counter{RawFileSystem: files},
		over:    make(chan struct{}),
		ended:   make(chan struct{}),
	}
	s.end = sync.OnceFunc(func() { close(s.over) })
	echo := newEcho(s.counter, files)
	var fd int
	if s.fuse, fd, err = attach(echo, dir, mountOptions(o), o); err != nil {
		return nil, err
	}
	s.visitor = newVisitor(fd)
	s.notifier = newNotifier(s, echo, store.Watch())
	go s.serve()
	s.visitor.do(func() {
		if err = settled(s.fuse, dir); err == nil {
			s.device, err = deviceOf(dir)
		}
		if err == nil {
			readFarther(s.device)
		}
	})
	s.notifier.start()
	if err != nil {
		return nil, errors.Join(err, detach(dir))
	}
	return s, nil
}

const (
	typeName   = "spacefs" // the mount table says fuse.spacefs
	maxRequest = 1 << 20   // bytes; the most the kernel takes
)

// mountOptions is what is negotiated with the kernel. What only mounting needs
// is attach's; above all default_permissions: the kernel checks modes and
// owners, with or without AllowOther.
func mountOptions(o Options) *fuse.MountOptions {
	level := slog.LevelWarn
	if o.Debug {
		level = slog.LevelInfo
	}
	return &fuse.MountOptions{
		Name:                     typeName,
		FsName:                   o.FsName,
		AllowOther:               o.AllowOther,
		Debug:                    o.Debug,
		Logger:                   slog.NewLogLogger(slog.Default().Handler(), level),
		MaxWrite:                 maxRequest,
		MaxBackground:            64,
		EnableSymlinkCaching:     true,
		ExplicitDataCacheControl: true,
		ExtraCapabilities:        extraCapabilities,
		// Not used, and it would forbid an overlay on top of the mount.
		DisabledCapabilities: fuse.CAP_PASSTHROUGH,
	}
}

// serve answers requests until the mount has gone, and then ends what hangs on
// it.
func (s *Server) serve() {
	s.fuse.Serve()
	s.end()
	s.notifier.stop()
	s.visitor.stop()
	close(s.ended)
}

// Dir is the mount point, absolute and without symlinks.
func (s *Server) Dir() string { return s.dir }

// Wait returns when the space is unmounted, by whomever, and nothing of the
// mount is left that uses the store.
func (s *Server) Wait() { <-s.ended }

// Unmount unmounts, or returns ErrBusy and leaves everything as it is. Requests
// may still be on their way then: Wait for them.
func (s *Server) Unmount() error {
	s.visiting.Lock()
	defer s.visiting.Unlock()
	err := unmount(s.dir)
	if errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("%s is %w", s.dir, ErrBusy)
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", s.dir, err)
	}
	return nil
}

// Detach takes the mount out of sight at once, whoever still uses it; it ends
// when the last of them is done.
func (s *Server) Detach() error {
	if err := detach(s.dir); err != nil {
		return fmt.Errorf("detach %s: %w", s.dir, err)
	}
	return nil
}

// Shut ends the mount for those who still use it after Detach: it returns when
// no request is being answered, and what they ask from then on is answered with
// an error when this process ends, which must be soon.
func (s *Server) Shut() {
	s.end()
	s.visiting.Lock()
	s.isShut = true
	s.visiting.Unlock()
	s.counter.shut()
}

// Requests is what the kernel asked so far, by the requests' names.
func (s *Server) Requests() map[string]RequestCount { return s.counter.counts() }
