package fusefs

import (
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// xattrRefusal says which names no attribute can have, as ext4 does. An ACL
// that is stored and not enforced would be worse than none, and a file
// capability is worth nothing on a mount that is always nosuid.
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
