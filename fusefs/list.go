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
	return f.list(in, out, func(e fuse.DirEntry, _ spacedb.Attr) bool { return out.AddDirEntry(e) })
}

// ReadDirPlus is a listing that is a lookup of every entry too, and so counts
// as a reference to each.
func (f *fileSystem) ReadDirPlus(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.list(in, out, func(e fuse.DirEntry, a spacedb.Attr) bool {
		slot := out.AddDirLookupEntry(e)
		if slot == nil {
			return false
		}
		if a.ID != 0 {
			setEntry(slot, a)
		}
		return true
	})
}

// list adds entries until add has no room; an entry without attributes is "."
// or "..".
func (f *fileSystem) list(in *fuse.ReadIn, out *fuse.DirEntryList, add func(fuse.DirEntry, spacedb.Attr) bool) fuse.Status {
	dir := spacedb.NodeID(in.NodeId)
	if in.Offset < afterDot {
		if !add(fuse.DirEntry{Name: ".", Mode: spacedb.TypeDir, Ino: in.NodeId, Off: afterDot}, spacedb.Attr{}) {
			return fuse.OK
		}
	}
	if in.Offset < afterDotDot {
		parent, err := f.tree.Parent(dir)
		if err != nil && err != spacedb.ErrNotFound { // a removed directory has none
			return status(err)
		}
		if !add(fuse.DirEntry{Name: "..", Mode: spacedb.TypeDir, Ino: uint64(parent), Off: afterDotDot}, spacedb.Attr{}) {
			return fuse.OK
		}
	}
	cookie := uint64(0)
	if in.Offset > afterDotDot {
		cookie = in.Offset - afterDotDot
	}
	tree := f.tree
	if in.Opcode == opReadDir {
		tree = tree.Store().Tree(spacedb.Actor{Origin: spacedb.OriginMount}) // a plain listing retains nothing
	}
	return status(tree.ReadDir(dir, cookie, func(e spacedb.Dirent) bool {
		return add(fuse.DirEntry{Name: e.Name, Mode: e.Attr.Mode, Ino: uint64(e.Attr.ID), Off: e.Cookie + afterDotDot}, e.Attr)
	}))
}

// opReadDir is FUSE_READDIR; READDIRPLUS is 44.
const opReadDir = 28
