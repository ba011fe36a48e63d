package fusefs

import (
	"github.com/hanwen/go-fuse/v2/fuse"

	"spacefs/spacedb"
)

// Lookup answers an absent name with an entry that names no node: that, unlike
// ENOENT, the kernel remembers.
func (f *fileSystem) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	a, err := spacedb.Attr{}, spacedb.ErrNotFound
	if !isReserved(h.NodeId, name) {
		a, err = f.tree.Lookup(spacedb.NodeID(h.NodeId), name)
	}
	if err == spacedb.ErrNotFound {
		out.EntryValid = cacheSeconds
		return fuse.OK
	}
	return entryReply(out, a, err)
}

func (f *fileSystem) Forget(node, count uint64) { f.tree.Forget(spacedb.NodeID(node), count) }

// cred is who makes a node. The kernel leaves the umask to us, for a default ACL
// takes its place.
func cred(h *fuse.InHeader, umask uint32) spacedb.Cred {
	return spacedb.Cred{UID: h.Uid, GID: h.Gid, Umask: umask}
}

func (f *fileSystem) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	if isReserved(in.NodeId, name) {
		return fuse.EPERM
	}
	a, err := f.tree.Mknod(spacedb.NodeID(in.NodeId), name, in.Mode, in.Rdev, cred(&in.InHeader, in.Umask))
	return entryReply(out, a, err)
}

// Tmpfile is the one file that the kernel opens by asking; it closes it with a
// RELEASE that has nothing to say.
func (f *fileSystem) Tmpfile(_ <-chan struct{}, in *fuse.CreateIn, out *fuse.CreateOut) fuse.Status {
	a, err := f.tree.Tmpfile(spacedb.NodeID(in.NodeId), in.Mode, cred(&in.InHeader, in.Umask))
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	return entryReply(&out.EntryOut, a, err)
}

func (f *fileSystem) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	if isReserved(in.NodeId, name) {
		return fuse.EPERM
	}
	a, err := f.tree.Mkdir(spacedb.NodeID(in.NodeId), name, in.Mode, cred(&in.InHeader, in.Umask))
	return entryReply(out, a, err)
}

func (f *fileSystem) Symlink(_ <-chan struct{}, h *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	if isReserved(h.NodeId, name) {
		return fuse.EPERM
	}
	a, err := f.tree.Symlink(spacedb.NodeID(h.NodeId), name, target, cred(h, 0))
	return entryReply(out, a, err)
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
	return entryReply(out, a, err)
}

func (f *fileSystem) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return status(f.tree.Unlink(spacedb.NodeID(h.NodeId), name))
}

func (f *fileSystem) Rmdir(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return status(f.tree.Rmdir(spacedb.NodeID(h.NodeId), name))
}

func (f *fileSystem) Rename(_ <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	if isReserved(in.NodeId, oldName) || isReserved(in.Newdir, newName) {
		return fuse.EPERM
	}
	return status(f.tree.Rename(spacedb.NodeID(in.NodeId), oldName, spacedb.NodeID(in.Newdir), newName, renameFlags(in.Flags)))
}
