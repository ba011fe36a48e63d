package fusefs

import (
	"errors"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// cacheSeconds is how long the kernel may believe what it was told. We are the
// only door to the tree, and take back what changes from behind.
const cacheSeconds = 3600

const (
	// HANDLE_KILLPRIV_V2: set-id bits are ours to take away, and the kernel says
	// when. Without it every write is preceded by a GETXATTR, not only the first.
	// POSIX_ACL: the kernel enforces ACLs that it reads through us. DONT_MASK: a
	// default ACL takes the umask's place, so the umask is ours to apply.
	// SETXATTR_EXT: the kernel says when setting an ACL takes a setgid bit away.
	extraCapabilities = capNoOpenDir | fuse.CAP_HANDLE_KILLPRIV_V2 | fuse.CAP_POSIX_ACL | fuse.CAP_DONT_MASK | fuse.CAP_SETXATTR_EXT
	capNoOpenDir      = fuse.CAP_NO_OPENDIR_SUPPORT

	dsync = unix.O_DSYNC // O_SYNC contains it
)

// renameFlags: the store speaks renameat2(2) too.
func renameFlags(flags uint32) uint32 { return flags }

func unmount(dir string) error {
	err := unix.Unmount(dir, unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EPERM) {
		return fusermount("-u", "--", dir)
	}
	return err
}

func detach(dir string) error {
	err := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EPERM) {
		return fusermount("-u", "-z", "--", dir)
	}
	return err
}
