package fusefs

import (
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"spacefs/spacedb"
)

// Options of Mount.
type Options struct {
	AllowOther bool
	ReadOnly   bool
	Debug      bool
	FsName     string // what the mount table calls the source: the space's path
}

// Server is a mounted space.
type Server struct {
	dir      string // absolute
	store    *spacedb.Store
	fuse     *fuse.Server
	counter  *counter
	notifier *notifier
	poked    *sync.Map // see fileSystem
}

// ErrBusy: some program has a file open in the mount, or works in it.
var ErrBusy = errors.New("in use")

// Mount mounts the store's tree at dir and returns once it answers.
func Mount(store *spacedb.Store, dir string, o Options) (*Server, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	files := newFileSystem(store)
	s := &Server{dir: dir, store: store, counter: &counter{RawFileSystem: files}, poked: files.poked}
	options := &fuse.MountOptions{
		Name:                     "spacefs",
		FsName:                   o.FsName,
		AllowOther:               o.AllowOther,
		Debug:                    o.Debug,
		MaxWrite:                 1 << 20,
		MaxBackground:            64,
		EnableSymlinkCaching:     true,
		ExplicitDataCacheControl: true,
		// The kernel checks modes and owners, with or without allow_other.
		Options: []string{"default_permissions"},
		Logger:  log.New(os.Stderr, "fuse: ", 0),
	}
	if o.ReadOnly {
		options.Options = append(options.Options, "ro")
	}
	platformOptions(options)
	if s.fuse, err = fuse.NewServer(s.counter, dir, options); err != nil {
		return nil, fmt.Errorf("mount at %s: %w", dir, err)
	}
	go s.fuse.Serve()
	if err := s.fuse.WaitMount(); err != nil {
		return nil, fmt.Errorf("mount at %s: %w", dir, err)
	}
	s.notifier = startNotifier(s)
	return s, nil
}

// Dir is the mount point.
func (s *Server) Dir() string { return s.dir }

// Wait returns when the space is unmounted, by whomever, and every request is
// answered.
func (s *Server) Wait() {
	s.fuse.Wait()
	s.notifier.stop()
}

// Unmount unmounts; ErrBusy when the mount is in use.
func (s *Server) Unmount() error {
	err := unmount(s.dir)
	if errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("%s is %w", s.dir, ErrBusy)
	}
	return err
}

// Detach takes the mount out of sight at once, whoever still uses it.
func (s *Server) Detach() error { return detach(s.dir) }

// Requests tells how many requests of each type came, and the time they took.
func (s *Server) Requests() map[string]RequestCount { return s.counter.counts() }

// Busy says whether a program has a document open for writing. It asks through
// the mount, so the caller holds nothing that a request needs.
func (s *Server) Busy(id spacedb.NodeID) bool {
	path, err := s.store.Path(id)
	return err == nil && hasWriter(filepath.Join(s.dir, path))
}

// Heal clears a mount point whose daemon died. healed is false when dir is no
// such thing.
func Heal(dir string) (healed bool, err error) {
	if _, err := os.Stat(dir); !errors.Is(err, syscall.ENOTCONN) {
		return false, nil
	}
	if err := detach(dir); err != nil {
		return false, fmt.Errorf("%s is a dead mount and cannot be detached: %w", dir, err)
	}
	return true, nil
}

func fusermount(args ...string) error {
	out, err := exec.Command("fusermount3", args...).CombinedOutput()
	switch text := strings.TrimSpace(string(out)); {
	case err == nil:
		return nil
	case strings.Contains(text, "busy"):
		return syscall.EBUSY
	case text != "":
		return errors.New(text)
	}
	return err
}
