package fusefs

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// StatFs tells what the tree holds and what the host has room for. It waits for
// nobody: a df that hangs here hangs for the whole machine.
func (f *fileSystem) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	host := f.room.now()
	if host == nil {
		return fuse.EIO // not "full": file managers would refuse to work
	}
	const block = 4096
	tree := f.tree.Store().Usage()
	out.Bsize, out.Frsize, out.NameLen = block, block, 255
	out.Bfree, out.Bavail = host.free/block, host.available/block
	out.Blocks = uint64(max(tree.Bytes, 0)+block-1)/block + out.Bfree
	// Nodes are rows: there is no table of them that could fill up.
	out.Ffree = 1 << 32
	out.Files = uint64(max(tree.Nodes, 0)) + out.Ffree
	return fuse.OK
}

// room knows how much room the filesystem that holds the space file has.
type room struct {
	dir    string
	last   atomic.Pointer[hostRoom] // nil: it never answered
	asking sync.Mutex               // held by who asks; nobody waits for it
}

type hostRoom struct {
	free, available uint64 // bytes
	at              time.Time
}

const (
	roomAge      = time.Second            // how old an answer may be
	roomPatience = 100 * time.Millisecond // how long to wait for a better one
)

func newRoom(space string) *room {
	r := &room{dir: filepath.Dir(space)}
	r.now() // so that two who ask first at the same time both have an answer
	return r
}

// now is the last answer, or a new one if the host gives it soon: a network
// filesystem may not.
func (r *room) now() *hostRoom {
	last := r.last.Load()
	if last != nil && time.Since(last.at) < roomAge || !r.asking.TryLock() {
		return last
	}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		defer r.asking.Unlock()
		var st unix.Statfs_t
		if unix.Statfs(r.dir, &st) == nil {
			size := uint64(st.Bsize)
			r.last.Store(&hostRoom{free: uint64(st.Bfree) * size, available: uint64(st.Bavail) * size, at: time.Now()})
		}
	}()
	select {
	case <-answered:
	case <-time.After(roomPatience):
	}
	return r.last.Load()
}
