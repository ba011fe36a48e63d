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
// Its requests are known by the thread they come from, the visitor's. By which number the
// kernel calls that thread, the kernel says itself (introduce); until it has,
// nothing is echoed.
type echo struct {
	fuse.RawFileSystem
	files  *fileSystem
	probe  string // an attribute that nobody else asks for
	thread atomic.Uint32
	now    atomic.Pointer[act] // what is being done once more
}

// act is what the echo is about to do: the kernel would neither make what it
// knows to be there nor move what it does not find.
type act struct {
	hides place          // what names a node now is said not to
	was   spacedb.NodeID // what it is said to name still, if anything
	shows place          // if any: is said to name what the hidden place names
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

// perform runs work, during which our thread sees the act's places.
func (e *echo) perform(a act, work func()) {
	e.now.Store(&a)
	defer e.now.Store(nil)
	work()
}

// Lookup shows our thread the places of the act.
func (e *echo) Lookup(x cancel, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if a := e.now.Load(); a != nil && e.ours(h.Caller) {
		switch (place{spacedb.NodeID(h.NodeId), name}) {
		case a.hides:
			// The kernel asks again for a name that it is to rename over. It counts
			// the answer as a reference; that its FORGET is one too high does no harm.
			was, err := e.files.plain.Attr(a.was)
			return entryReply(out, was, err)
		case a.shows:
			real, err := e.files.tree.Lookup(a.hides.parent, a.hides.name)
			return entryReply(out, real, err)
		}
	}
	return e.RawFileSystem.Lookup(x, h, name, out)
}

// Rename moves nothing: what the act shows is where it should be.
func (e *echo) Rename(x cancel, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	if !e.ours(in.Caller) {
		return e.RawFileSystem.Rename(x, in, oldName, newName)
	}
	from, to := place{spacedb.NodeID(in.NodeId), oldName}, place{spacedb.NodeID(in.Newdir), newName}
	if a := e.now.Load(); a == nil || a.shows != from || a.hides != to {
		return fuse.ENOENT
	}
	return fuse.OK
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
