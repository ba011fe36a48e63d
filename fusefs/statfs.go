package fusefs

import (
	"path/filepath"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// hostUsage is the room on the filesystem that holds the space file, in bytes.
type hostUsage struct{ free, available uint64 }

// hostUsageOf asks at most once a second: file managers ask all the time.
func hostUsageOf(space string) func() hostUsage {
	var mu sync.Mutex
	var last hostUsage
	var at time.Time
	dir := filepath.Dir(space)
	return func() hostUsage {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(at) < time.Second {
			return last
		}
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil {
			size := uint64(st.Bsize)
			last = hostUsage{free: uint64(st.Bfree) * size, available: uint64(st.Bavail) * size}
			at = time.Now()
		}
		return last
	}
}

// StatFs tells what the tree holds and what the host has room for. It waits for
// nobody: a df that hangs hangs for the whole machine.
func (f *fileSystem) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	const block = 4096
	tree, host := f.tree.Store().Usage(), f.usage()
	used := uint64(tree.Bytes+block-1) / block
	out.Bsize, out.Frsize, out.NameLen = block, block, 255
	out.Bfree, out.Bavail = host.free/block, host.available/block
	out.Blocks = used + out.Bfree
	out.Ffree = 1 << 40
	out.Files = uint64(tree.Nodes) + out.Ffree
	return fuse.OK
}
