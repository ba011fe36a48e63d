package fusefs

import (
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"

	"spacefs/spacedb"
)

// isACL: the kernel enforces these, and asks us for them (CAP_POSIX_ACL).
func isACL(name string) bool { return name == spacedb.AccessACL || name == spacedb.DefaultACL }

// keepsSetGID: who sets an ACL without being in the group loses that bit.
func keepsSetGID(in *fuse.SetXAttrIn) bool { return in.SetXAttrFlags&fuse.SETXATTR_ACL_KILL_SGID == 0 }

// xattrRefusal says which other names no attribute can have, as ext4 does. A
// file capability is worth nothing on a mount that is always nosuid.
func xattrRefusal(name string) fuse.Status {
	for _, namespace := range []string{"user.", "trusted.", "security."} {
		if rest, ok := strings.CutPrefix(name, namespace); ok {
			switch {
			case rest == "":
				return fuse.EINVAL
			case name == fileCapability:
				return eopnotsupp
			}
			return fuse.OK
		}
	}
	return eopnotsupp
}

// xattrVisible: trusted attributes are root's alone; the kernel guards their
// values, listing is up to us.
func xattrVisible(name string, uid uint32) bool {
	return uid == 0 || !strings.HasPrefix(name, "trusted.")
}
