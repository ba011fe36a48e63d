package fusefs

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Working inside our own mount: every system call here is answered by other
// goroutines of this process, so whoever makes one holds nothing that a request
// needs, and makes it on the visitor's thread. They are plain blocking calls;
// os.Open would register the file with the runtime's poller, which asks the mount
// on its own.

func deviceOf(dir string) (uint64, error) {
	var st unix.Stat_t
	err := again(func() error { return unix.Stat(dir, &st) })
	return st.Dev, err
}

// errLeft: what is at the mount point is not our mount any more.
var errLeft = errors.New("unmounted meanwhile")

// visit opens a directory of the mount to work from. It follows no symlink and
// crosses into nothing that is mounted inside: whatever somebody puts there in
// the meantime, we stay in our own tree.
func (s *Server) visit(dir string) (fd int, err error) {
	var root int
	err = again(func() (err error) {
		root, err = unix.Open(s.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err = again(func() error { return unix.Fstat(root, &st) }); err == nil && st.Dev != s.device {
		err = errLeft
	}
	if err != nil || dir == "" {
		if err != nil {
			unix.Close(root)
		}
		return root, err
	}
	defer unix.Close(root)
	err = again(func() (err error) {
		fd, err = unix.Openat2(root, dir, &unix.OpenHow{
			Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
		})
		return err
	})
	return fd, err
}

// inside runs work in a directory of the mount, if it is there.
func (s *Server) inside(path string, work func(dir int)) {
	dir, err := s.visit(path)
	if err != nil {
		return
	}
	defer unix.Close(dir)
	work(dir)
}

// openAt opens a document without following a symlink or waiting for anybody.
func openAt(dir int, name string, mode int) (fd int, err error) {
	err = again(func() (err error) {
		fd, err = unix.Openat(dir, name, mode|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// again repeats a call that one of the runtime's own signals interrupted.
func again(call func() error) (err error) {
	for err = call(); err == unix.EINTR; err = call() {
	}
	return err
}
