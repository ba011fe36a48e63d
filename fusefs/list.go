package fusefs

import (
	"github.com/hanwen/go-fuse/v2/fuse"

	"spacefs/spacedb"
)

// Offsets in a listing: "." and ".." come first, an entry's is its cookie
// behind them. Listing has no handle, so an offset must mean the same place for
// ever; spacedb's cookies do.
const (
	afterDot    = 1
	afterDotDot = 2
)

func (f *fileSystem) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.list(f.plain, in, func(e fuse.DirEntry, _ *spacedb.Attr) bool { return out.AddDirEntry(e) })
}

// ReadDirPlus is a listing that looks every entry up too, and so counts as a
// reference to each but "." and "..".
func (f *fileSystem) ReadDirPlus(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.list(f.tree, in, func(e fuse.DirEntry, a *spacedb.Attr) bool {
		slot := out.AddDirLookupEntry(e)
		if slot != nil && a != nil {
			setEntry(slot, *a)
		}
		return slot != nil
	})
}

// list adds entries until add has no room. "." and ".." come without attributes.
func (f *fileSystem) list(tree *spacedb.Tree, in *fuse.ReadIn, add func(fuse.DirEntry, *spacedb.Attr) bool) fuse.Status {
	dir := spacedb.NodeID(in.NodeId)
	if in.Offset < afterDot && !add(fuse.DirEntry{Name: ".", Mode: spacedb.TypeDir, Ino: in.NodeId, Off: afterDot}, nil) {
		return fuse.OK
	}
	if in.Offset < afterDotDot {
		parent, err := tree.Parent(dir)
		if err != nil && err != spacedb.ErrNotFound { // a removed directory has none
			return status(err)
		}
		if !add(fuse.DirEntry{Name: "..", Mode: spacedb.TypeDir, Ino: uint64(parent), Off: afterDotDot}, nil) {
			return fuse.OK
		}
	}
	cookie := max(in.Offset, afterDotDot) - afterDotDot
	var hidden spacedb.NodeID
	err := tree.ReadDir(dir, cookie, func(e spacedb.Dirent) bool {
		if isReserved(in.NodeId, e.Name) {
			hidden = e.Attr.ID
			return true
		}
		return add(fuse.DirEntry{Name: e.Name, Mode: e.Attr.Mode, Ino: uint64(e.Attr.ID), Off: e.Cookie + afterDotDot}, &e.Attr)
	})
	if hidden != 0 && tree == f.tree {
		tree.Forget(hidden, 1) // passed over, it was counted like the others
	}
	return status(err)
}
