package materialize

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"spacefs/spacedb"
)

// plainFile is an open file. Package os would ask the poller about each one; with
// 100,000 of them that is felt.
type plainFile struct{ fd int }

// openFile opens a name for reading. It does not wait for a fifo, and follows no
// symlink; what it is the caller looks at.
func (d directory) openFile(name string) (plainFile, error) {
	for {
		fd, err := unix.Openat(int(d.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != unix.EINTR {
			return plainFile{fd}, err
		}
	}
}

func (f plainFile) Read(p []byte) (int, error) {
	for {
		n, err := unix.Read(f.fd, p)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (f plainFile) stat() (stamp, error) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return stamp{}, err
	}
	return stampOfStat(&st), nil
}

// opened is a directory, whoever opened it.
type opened interface{ Fd() uintptr }

// createAt makes a file in an open directory; there must be nothing at its name.
func createAt(d opened, name string, perm uint32) (plainFile, error) {
	for {
		fd, err := unix.Openat(int(d.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, perm)
		if err != unix.EINTR {
			return plainFile{fd}, err
		}
	}
}

func (f plainFile) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Write(f.fd, p[done:])
		if n > 0 {
			done += n
		}
		switch {
		case err == unix.EINTR:
		case err != nil:
			return done, err
		case n == 0:
			return done, io.ErrShortWrite
		}
	}
	return done, nil
}

func (f plainFile) chmod(mode uint32) error {
	return unix.Fchmod(f.fd, mode&spacedb.PermMask)
}

func (f plainFile) close() error { return unix.Close(f.fd) }

func symlinkAt(target string, d opened, name string) error {
	return unix.Symlinkat(target, int(d.Fd()), name)
}

// lockDirectory keeps other exports away until unlock; the kernel drops the lock
// of one that dies.
func lockDirectory(root *os.Root) (unlock func(), err error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		d.Close()
		return nil, err
	}
	return func() { d.Close() }, nil
}

// statAt is lstat of a name in an open directory.
func statAt(d opened, name string) (stamp, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(d.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return stamp{}, err
	}
	return stampOfStat(&st), nil
}

func stampOfStat(st *unix.Stat_t) stamp {
	s := stamp{mode: uint32(st.Mode), mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(), inode: st.Ino}
	if s.kind() == spacedb.TypeRegular {
		s.size = st.Size
	}
	return s
}
