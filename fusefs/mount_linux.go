package fusefs

import (
	"errors"
	"os"
	"strconv"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// cacheSeconds is how long the kernel may believe what it was told. We are the
// only door to the tree, and take back what changes from behind.
const cacheSeconds = 3600

const (
	capNoOpenDir = fuse.CAP_NO_OPENDIR_SUPPORT
	dsync        = unix.O_DSYNC // O_SYNC contains it
)

// renameFlags: the store speaks renameat2(2) too.
func renameFlags(flags uint32) uint32 { return flags }

func platformOptions(options *fuse.MountOptions, o Options) {
	options.DirectMount = true // as root; go-fuse falls back to fusermount3
	options.DirectMountFlags = unix.MS_NOSUID | unix.MS_NODEV
	if o.ReadOnly {
		options.DirectMountFlags |= unix.MS_RDONLY
	}
	// HANDLE_KILLPRIV_V2: set-id bits are ours to take away, and the kernel says
	// when. Without it every write is preceded by a GETXATTR, not only the first.
	options.ExtraCapabilities |= capNoOpenDir | fuse.CAP_HANDLE_KILLPRIV_V2
}

// keepFromChildren closes /dev/fuse on exec. go-fuse leaves it open after a
// direct mount, and a child that has it keeps the mount hanging, not dead, when
// the daemon is killed.
func keepFromChildren() {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, file := range files {
		if target, _ := os.Readlink("/proc/self/fd/" + file.Name()); target == "/dev/fuse" {
			if fd, err := strconv.Atoi(file.Name()); err == nil {
				unix.CloseOnExec(fd)
			}
		}
	}
}

func unmount(dir string) error {
	err := unix.Unmount(dir, unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EPERM) {
		return fusermount("-u", dir)
	}
	return err
}

func detach(dir string) error {
	err := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EPERM) {
		return fusermount("-u", "-z", dir)
	}
	return err
}
