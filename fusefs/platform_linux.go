package fusefs

import (
	"errors"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

const syncFlags = unix.O_DSYNC // O_SYNC contains it

func platformOptions(o *fuse.MountOptions) {
	o.DirectMount = true // as root; otherwise go-fuse falls back to fusermount3
	// With it the kernel tells us when a write takes set-id bits away, instead of
	// asking for security.capability before each.
	o.ExtraCapabilities |= fuse.CAP_NO_OPENDIR_SUPPORT | fuse.CAP_HANDLE_KILLPRIV_V2
}

func detach(dir string) error {
	err := unix.Unmount(dir, unix.MNT_DETACH)
	if errors.Is(err, unix.EPERM) {
		return fusermount("-u", "-z", dir)
	}
	return err
}

func unmount(dir string) error {
	err := unix.Unmount(dir, 0)
	if errors.Is(err, unix.EPERM) {
		return fusermount("-u", dir)
	}
	return err
}

// hasWriter asks for a read lease, which is granted only while nobody has the
// file open for writing. On kernels that refuse leases here nobody has, and the
// quiet time alone decides.
func hasWriter(path string) bool {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
	if err == nil {
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK)
	}
	return errors.Is(err, unix.EAGAIN)
}

// poke makes a real system call on a path of the mount: FUSE's notifications
// alone wake no inotify watcher (seen on Linux 6.18).
func poke(path string, content bool) {
	if content {
		// Without OPEN and RELEASE this costs no request; the watcher sees
		// CLOSE_WRITE.
		fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
			return
		}
	}
	now := unix.Timespec{Nsec: unix.UTIME_NOW}
	_ = unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{now, now}, unix.AT_SYMLINK_NOFOLLOW)
}
