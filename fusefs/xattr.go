package fusefs

import (
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"

	"spacefs/spacedb"
)

// refusedXattr: an ACL that is stored and not enforced would be worse than
// none, and capabilities would be asked for at every write.
func refusedXattr(name string) bool {
	return strings.HasPrefix(name, "system.") || name == "security.capability"
}

func (f *fileSystem) GetXAttr(_ <-chan struct{}, h *fuse.InHeader, name string, dest []byte) (uint32, fuse.Status) {
	if refusedXattr(name) {
		if name == "security.capability" {
			return 0, fuse.ENOATTR
		}
		return 0, eopnotsupp
	}
	value, err := f.tree.GetXattr(spacedb.NodeID(h.NodeId), name)
	if err != nil {
		return 0, status(err)
	}
	return fill(dest, value)
}

// fill copies a value; a buffer that is too small learns the size it needs.
func fill(dest, value []byte) (uint32, fuse.Status) {
	if len(dest) < len(value) {
		return uint32(len(value)), fuse.ERANGE
	}
	return uint32(copy(dest, value)), fuse.OK
}

func (f *fileSystem) ListXAttr(_ <-chan struct{}, h *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	names, err := f.tree.ListXattr(spacedb.NodeID(h.NodeId))
	if err != nil {
		return 0, status(err)
	}
	var list []byte
	for _, name := range names {
		list = append(append(list, name...), 0)
	}
	return fill(dest, list)
}

func (f *fileSystem) SetXAttr(_ <-chan struct{}, in *fuse.SetXAttrIn, name string, value []byte) fuse.Status {
	if refusedXattr(name) {
		return eopnotsupp
	}
	return status(f.tree.SetXattr(spacedb.NodeID(in.NodeId), name, value, in.Flags))
}

func (f *fileSystem) RemoveXAttr(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	if refusedXattr(name) {
		return eopnotsupp
	}
	return status(f.tree.RemoveXattr(spacedb.NodeID(h.NodeId), name))
}
