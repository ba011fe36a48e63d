package fusefs

import (
	"crypto/rand"
	"sync/atomic"

	"github.com/hanwen/go-fuse/v2/fuse"

	"spacefs/spacedb"
)

// echo lets programs that watch the mount with inotify hear of changes from
// behind. FUSE notifications alone wake no watcher; a system call does. So the
// notifier makes the call that would have made the change, through the mount,
// and echo, which stands before everything else, answers it with what is there
// already: the store sees nothing of it, and the kernel tells the watchers.
//
// Its requests are known by the thread they come from. By which number the
// kernel calls that thread, the kernel says itself (introduce); until it has,
// nothing is echoed.
type echo struct {
	fuse.RawFileSystem
	files  *fileSystem
	probe  string // an attribute that nobody else asks for
	thread atomic.Uint32
	making atomic.Pointer[place] // what is being made once more
}

func newEcho(next fuse.RawFileSystem, files *fileSystem) *echo {
	return &echo{RawFileSystem: next, files: files, probe: "user." + rand.Text()}
}

func (e *echo) ours(caller fuse.Caller) bool {
	thread := e.thread.Load()
	return thread != 0 && caller.Pid == thread
}

func (e *echo) GetXAttr(x cancel, h *fuse.InHeader, name string, dest []byte) (uint32, fuse.Status) {
	if name == e.probe {
		e.thread.Store(h.Pid)
		return 0, fuse.ENOATTR
	}
	return e.RawFileSystem.GetXAttr(x, h, name, dest)
}

// Lookup denies, this once, what is being made: the kernel would not make what
// it knows to be there.
func (e *echo) Lookup(x cancel, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if e.ours(h.Caller) {
		if p := e.making.Load(); p != nil && *p == (place{spacedb.NodeID(h.NodeId), name}) {
			return fuse.ENOENT
		}
	}
	return e.RawFileSystem.Lookup(x, h, name, out)
}

func (e *echo) Mknod(x cancel, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	if e.ours(in.Caller) {
		return e.made(in.NodeId, name, in.Mode, out)
	}
	return e.RawFileSystem.Mknod(x, in, name, out)
}

func (e *echo) Mkdir(x cancel, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	if e.ours(in.Caller) {
		return e.made(in.NodeId, name, spacedb.TypeDir, out)
	}
	return e.RawFileSystem.Mkdir(x, in, name, out)
}

func (e *echo) Symlink(x cancel, h *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	if e.ours(h.Caller) {
		return e.made(h.NodeId, name, spacedb.TypeSymlink, out)
	}
	return e.RawFileSystem.Symlink(x, h, target, name, out)
}

// made answers with what is there, as if it had been made just now.
func (e *echo) made(parent uint64, name string, mode uint32, out *fuse.EntryOut) fuse.Status {
	a, err := e.files.tree.Lookup(spacedb.NodeID(parent), name)
	if err == nil && a.Type() != mode&spacedb.TypeMask { // the kernel would refuse it, and not forget it
		e.files.tree.Forget(a.ID, 1)
		return fuse.EIO
	}
	return entryReply(out, a, err)
}

func (e *echo) Unlink(x cancel, h *fuse.InHeader, name string) fuse.Status {
	if e.ours(h.Caller) {
		return e.gone(h.NodeId, name)
	}
	return e.RawFileSystem.Unlink(x, h, name)
}

func (e *echo) Rmdir(x cancel, h *fuse.InHeader, name string) fuse.Status {
	if e.ours(h.Caller) {
		return e.gone(h.NodeId, name)
	}
	return e.RawFileSystem.Rmdir(x, h, name)
}

// gone: what has come to the place since stays, and the kernel looks again.
func (e *echo) gone(parent uint64, name string) fuse.Status {
	if _, err := e.files.plain.Lookup(spacedb.NodeID(parent), name); err == spacedb.ErrNotFound {
		return fuse.OK
	}
	return fuse.ENOENT
}

// SetAttr changes nothing. Its answer brings the kernel up to date, the size
// included: who has the file open for appending goes on at the right place.
func (e *echo) SetAttr(x cancel, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	if e.ours(in.Caller) {
		a, err := e.files.plain.Attr(spacedb.NodeID(in.NodeId))
		return attrReply(out, a, err)
	}
	return e.RawFileSystem.SetAttr(x, in, out)
}
