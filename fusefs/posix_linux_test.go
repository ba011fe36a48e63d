package fusefs_test

import (
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"

	"spacefs/spacedb"
)

// posixExcluded is what is not run, and why.
var posixExcluded = map[string]string{
	"FcntlFlockLocksFile": "it expects two locks of one process to conflict, which POSIX locks never do; it fails on ext4 too",
}

func TestPosix(t *testing.T) {
	for name, fn := range posixtest.All {
		t.Run(name, func(t *testing.T) {
			if why, ok := posixExcluded[name]; ok {
				t.Skip(why)
			}
			fn(t, mount(t, spacedb.Options{}).dir)
		})
	}
}
