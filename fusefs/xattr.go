package fusefs

import (
	"github.com/hanwen/go-fuse/v2/fuse"

	"spacefs/spacedb"
)

// GetXAttr is asked for security.capability before the first write to a file;
// see xattrRefusal for why that needs no look at the store.
func (f *fileSystem) GetXAttr(_ <-chan struct{}, h *fuse.InHeader, name string, dest []byte) (uint32, fuse.Status) {
	switch refused := xattrRefusal(name); {
	case isACL(name):
	case refused != fuse.OK && name == fileCapability:
		return 0, fuse.ENOATTR
	case refused != fuse.OK:
		return 0, refused
	}
	value, err := f.plain.GetXattr(spacedb.NodeID(h.NodeId), name)
	if err != nil {
		return 0, status(err)
	}
	return fill(dest, value)
}

// fileCapability is what lets a program run with a part of root's power.
const fileCapability = "security.capability"

func (f *fileSystem) SetXAttr(_ <-chan struct{}, in *fuse.SetXAttrIn, name string, value []byte) fuse.Status {
	if isACL(name) {
		return status(f.tree.SetACL(spacedb.NodeID(in.NodeId), name, value, keepsSetGID(in)))
	}
	if refused := xattrRefusal(name); refused != fuse.OK {
		return refused
	}
	return status(f.tree.SetXattr(spacedb.NodeID(in.NodeId), name, value, in.Flags))
}

func (f *fileSystem) RemoveXAttr(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	if isACL(name) {
		return status(f.tree.RemoveACL(spacedb.NodeID(h.NodeId), name))
	}
	if refused := xattrRefusal(name); refused != fuse.OK {
		return refused
	}
	return status(f.tree.RemoveXattr(spacedb.NodeID(h.NodeId), name))
}

func (f *fileSystem) ListXAttr(_ <-chan struct{}, h *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	names, err := f.plain.ListXattr(spacedb.NodeID(h.NodeId))
	if err != nil {
		return 0, status(err)
	}
	var list []byte
	for _, name := range names {
		if xattrVisible(name, h.Uid) {
			list = append(append(list, name...), 0)
		}
	}
	return fill(dest, list)
}

// fill copies a value; who has too small a buffer learns the size it needs.
func fill(dest, value []byte) (uint32, fuse.Status) {
	if len(dest) < len(value) {
		return uint32(len(value)), fuse.ERANGE
	}
	return uint32(copy(dest, value)), fuse.OK
}
