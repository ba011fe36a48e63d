package materialize

import (
	"strings"

	"golang.org/x/sys/unix"
)

const errNoAttribute = unix.ENODATA

// isSynced: what users and their programs set. The other namespaces are the
// system's, and mean something only there: security, trusted, and ACLs, which go
// with owners.
func isSynced(name string) bool { return strings.HasPrefix(name, "user.") }
