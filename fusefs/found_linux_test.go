package fusefs_test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// found are sequences that once made a difference, as short as they get.
var found = map[string][]action{
	"an attribute is set to what it was": {
		{op: "mkdir", a: "d", mode: 0o755},
		{op: "setxattr", a: "d", b: "user.a"},
		{op: "setxattr", a: "d", b: "user.a"},
	},
	"an ACL says what the mode says": {
		{op: "mkdir", a: "d", mode: 0o654},
		{op: "setacl", a: "d", b: "system.posix_acl_access"},
	},
	"the buffer that an ACL came in is used again": {
		{op: "open", a: "f", flags: unix.O_RDWR | unix.O_CREAT, mode: 0o644},
		{op: "setacl", a: "f", b: "system.posix_acl_access", mode: 2},
		{op: "rmdir", a: strings.Repeat("l", 255)},
		{op: "getacl", a: "f", b: "system.posix_acl_access"},
	},
	"a name that is too long, in a directory that is known": {
		{op: "list", a: "."},
		{op: "unlink", a: strings.Repeat("l", 256)},
	},
}

func TestDifferencesThatWereFoundStayAway(t *testing.T) {
	for _, name := range sortedKeys(found) {
		t.Run(name, func(t *testing.T) { differ(t, name) })
	}
}
