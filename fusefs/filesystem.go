package fusefs

import (
	"github.com/hanwen/go-fuse/v2/fuse"

	"spacefs/spacedb"
)

// fileSystem answers the kernel's requests. Several run at a time.
type fileSystem struct {
	fuse.RawFileSystem // answers what is not here: ENOSYS

	// tree counts a reference for every entry it returns, as the kernel does,
	// until FORGET. plain counts none: it is for what the kernel does not keep.
	tree, plain *spacedb.Tree
	room        *room
	server      *fuse.Server // set by Init, before any other request

	// What the kernel can do without; set by Init, before any other request.
	noOpen, noOpenDir bool
}

func newFileSystem(store *spacedb.Store) *fileSystem {
	return &fileSystem{
		RawFileSystem: fuse.NewDefaultRawFileSystem(),
		tree:          store.Tree(spacedb.Actor{Origin: spacedb.OriginMount, Retain: true}),
		plain:         store.Tree(spacedb.Actor{Origin: spacedb.OriginMount}),
		room:          newRoom(store.File()),
	}
}

func (f *fileSystem) String() string { return "spacefs" }

// Init learns what the kernel offers.
func (f *fileSystem) Init(server *fuse.Server) {
	f.server = server
	offered := server.KernelSettings().Flags64()
	f.noOpen = offered&fuse.CAP_NO_OPEN_SUPPORT != 0
	f.noOpenDir = offered&capNoOpenDir != 0
}

// generation distinguishes uses of one inode number; ours are never reused.
const generation = 1

// reserved is the name at the root that belongs to spacefs.
const reserved = spacedb.Reserved

func isReserved(parent uint64, name string) bool {
	return name == reserved && spacedb.NodeID(parent) == spacedb.Root
}

func entryReply(out *fuse.EntryOut, a spacedb.Attr, err error) fuse.Status {
	if err != nil {
		return status(err)
	}
	setEntry(out, a)
	return fuse.OK
}

func attrReply(out *fuse.AttrOut, a spacedb.Attr, err error) fuse.Status {
	if err != nil {
		return status(err)
	}
	out.AttrValid = cacheSeconds
	setAttr(&out.Attr, a)
	return fuse.OK
}

func setEntry(out *fuse.EntryOut, a spacedb.Attr) {
	out.NodeId, out.Generation = uint64(a.ID), generation
	out.EntryValid, out.AttrValid = cacheSeconds, cacheSeconds
	setAttr(&out.Attr, a)
}

// preferred is the I/O size programs are told to use: a whole chunk of content
// is stored without reading what was there.
const preferred = 64 << 10

func setAttr(out *fuse.Attr, a spacedb.Attr) {
	out.Ino = uint64(a.ID)
	out.Size, out.Blocks, out.Blksize = uint64(a.Size), uint64(a.Blocks), preferred
	out.Atime, out.Atimensec = splitTime(a.Atime)
	out.Mtime, out.Mtimensec = splitTime(a.Mtime)
	out.Ctime, out.Ctimensec = splitTime(a.Ctime)
	out.Mode, out.Nlink, out.Rdev = a.Mode, a.Nlink, a.Rdev
	out.Uid, out.Gid = a.UID, a.GID
}
