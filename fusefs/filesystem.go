package fusefs

import (
	"os"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"

	"spacefs/spacedb"
)

// fileSystem answers the kernel's requests. Several run at a time; it has no
// state of its own that changes.
type fileSystem struct {
	fuse.RawFileSystem // answers what is not here, mostly with ENOSYS

	tree  *spacedb.Tree
	usage func() hostUsage
	poked *sync.Map // ids of nodes that we are poking: nobody changes them
	pid   uint32    // our own
}

func newFileSystem(store *spacedb.Store) *fileSystem {
	return &fileSystem{
		RawFileSystem: fuse.NewDefaultRawFileSystem(),
		tree:          store.Tree(spacedb.Actor{Origin: spacedb.OriginMount, Retain: true}),
		usage:         hostUsageOf(store.File()),
		poked:         &sync.Map{},
		pid:           uint32(os.Getpid()),
	}
}

func (f *fileSystem) String() string { return "spacefs" }

// cacheSeconds is how long the kernel may believe what it was told. We are the
// only door to the tree, and invalidate what changes from behind.
const cacheSeconds = 3600

// reserved is the name at the root that belongs to us.
const reserved = ".space"

func isReserved(parent uint64, name string) bool {
	return name == reserved && spacedb.NodeID(parent) == spacedb.Root
}

func setEntry(out *fuse.EntryOut, a spacedb.Attr) {
	out.NodeId = uint64(a.ID)
	out.Generation = 1 // numbers are never reused
	out.EntryValid, out.AttrValid = cacheSeconds, cacheSeconds
	setAttr(&out.Attr, a)
}

func setAttr(out *fuse.Attr, a spacedb.Attr) {
	out.Ino = uint64(a.ID)
	out.Size = uint64(a.Size)
	out.Blocks = uint64(a.Blocks)
	out.Atime, out.Atimensec = split(a.Atime)
	out.Mtime, out.Mtimensec = split(a.Mtime)
	out.Ctime, out.Ctimensec = split(a.Ctime)
	out.Mode = a.Mode
	out.Nlink = a.Nlink
	out.Uid, out.Gid = a.UID, a.GID
	out.Rdev = a.Rdev
	out.Blksize = 64 << 10
}

// split divides nanoseconds so that times before 1970 have a positive rest.
func split(ns int64) (sec uint64, nsec uint32) {
	s, n := ns/1e9, ns%1e9
	if n < 0 {
		s, n = s-1, n+1e9
	}
	return uint64(s), uint32(n)
}

// Lookup answers "no such name" as an entry without a node, which the kernel
// remembers.
func (f *fileSystem) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if isReserved(h.NodeId, name) {
		return fuse.ENOENT
	}
	a, err := f.tree.Lookup(spacedb.NodeID(h.NodeId), name)
	if err == spacedb.ErrNotFound {
		out.EntryValid = cacheSeconds
		return fuse.OK
	}
	return entry(out, a, err)
}

func entry(out *fuse.EntryOut, a spacedb.Attr, err error) fuse.Status {
	if err != nil {
		return status(err)
	}
	setEntry(out, a)
	return fuse.OK
}

func (f *fileSystem) Forget(node, count uint64) { f.tree.Forget(spacedb.NodeID(node), count) }

func (f *fileSystem) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	a, err := f.tree.Attr(spacedb.NodeID(in.NodeId))
	return attr(out, a, err)
}

func attr(out *fuse.AttrOut, a spacedb.Attr, err error) fuse.Status {
	if err != nil {
		return status(err)
	}
	out.AttrValid = cacheSeconds
	setAttr(&out.Attr, a)
	return fuse.OK
}

func (f *fileSystem) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	id := spacedb.NodeID(in.NodeId)
	if _, poked := f.poked.Load(id); poked && in.Pid == f.pid {
		a, err := f.tree.Attr(id)
		return attr(out, a, err)
	}
	var set spacedb.AttrChange
	if mode, ok := in.GetMode(); ok {
		set.Mode = &mode
	}
	if uid, ok := in.GetUID(); ok {
		set.UID = &uid
	}
	if gid, ok := in.GetGID(); ok {
		set.GID = &gid
	}
	if size, ok := in.GetSize(); ok {
		n := int64(size)
		set.Size = &n
	}
	if t, ok := in.GetATime(); ok {
		n := t.UnixNano()
		set.Atime = &n
	}
	if t, ok := in.GetMTime(); ok {
		n := t.UnixNano()
		set.Mtime = &n
	}
	set.DropSetID = in.Valid&fuse.FATTR_KILL_SUIDGID != 0
	a, err := f.tree.SetAttr(id, set)
	return attr(out, a, err)
}

func cred(h *fuse.InHeader) spacedb.Cred { return spacedb.Cred{UID: h.Uid, GID: h.Gid} }

func (f *fileSystem) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	if isReserved(in.NodeId, name) {
		return fuse.EPERM
	}
	a, err := f.tree.Mknod(spacedb.NodeID(in.NodeId), name, in.Mode, in.Rdev, cred(&in.InHeader))
	return entry(out, a, err)
}

func (f *fileSystem) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	if isReserved(in.NodeId, name) {
		return fuse.EPERM
	}
	a, err := f.tree.Mkdir(spacedb.NodeID(in.NodeId), name, in.Mode, cred(&in.InHeader))
	return entry(out, a, err)
}

func (f *fileSystem) Symlink(_ <-chan struct{}, h *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	if isReserved(h.NodeId, name) {
		return fuse.EPERM
	}
	a, err := f.tree.Symlink(spacedb.NodeID(h.NodeId), name, target, cred(h))
	return entry(out, a, err)
}

func (f *fileSystem) Readlink(_ <-chan struct{}, h *fuse.InHeader) ([]byte, fuse.Status) {
	target, err := f.tree.Readlink(spacedb.NodeID(h.NodeId))
	return []byte(target), status(err)
}

func (f *fileSystem) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	if isReserved(in.NodeId, name) {
		return fuse.EPERM
	}
	a, err := f.tree.Link(spacedb.NodeID(in.Oldnodeid), spacedb.NodeID(in.NodeId), name)
	return entry(out, a, err)
}

func (f *fileSystem) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return status(f.tree.Unlink(spacedb.NodeID(h.NodeId), name))
}

func (f *fileSystem) Rmdir(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return status(f.tree.Rmdir(spacedb.NodeID(h.NodeId), name))
}

func (f *fileSystem) Rename(_ <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	if isReserved(in.Newdir, newName) {
		return fuse.EPERM
	}
	return status(f.tree.Rename(spacedb.NodeID(in.NodeId), oldName, spacedb.NodeID(in.Newdir), newName, in.Flags))
}
