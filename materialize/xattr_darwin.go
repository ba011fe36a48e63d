package materialize

import (
	"strings"

	"golang.org/x/sys/unix"
)

const errNoAttribute = unix.ENOATTR

// isSynced: names have no namespaces here. What the system and the Finder keep
// for themselves, some of it protected, is theirs.
func isSynced(name string) bool {
	for _, theirs := range []string{"com.apple.", "security.", "system.", "trusted."} {
		if strings.HasPrefix(name, theirs) {
			return false
		}
	}
	return true
}
