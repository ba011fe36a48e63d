package fusefs

import (
	"math"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"spacefs/spacedb"
)

func (f *fileSystem) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	a, err := f.plain.Attr(spacedb.NodeID(in.NodeId))
	return attrReply(out, a, err)
}

// SetAttr is chmod, chown, truncate and utimensat. Whether the caller may, the
// kernel has decided.
func (f *fileSystem) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	a, err := f.tree.SetAttr(spacedb.NodeID(in.NodeId), attrChange(in))
	return attrReply(out, a, err)
}

func attrChange(in *fuse.SetAttrIn) (set spacedb.AttrChange) {
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
	now := time.Now().UnixNano()
	set.Atime = timeChange(in.Valid, fuse.FATTR_ATIME, fuse.FATTR_ATIME_NOW, in.Atime, in.Atimensec, now)
	set.Mtime = timeChange(in.Valid, fuse.FATTR_MTIME, fuse.FATTR_MTIME_NOW, in.Mtime, in.Mtimensec, now)
	// The kernel says so when who truncates is not privileged (HANDLE_KILLPRIV_V2).
	set.DropSetID = in.Valid&fuse.FATTR_KILL_SUIDGID != 0
	return set
}

func timeChange(valid, change, toNow uint32, sec uint64, nsec uint32, now int64) *int64 {
	switch {
	case valid&change == 0:
		return nil
	case valid&toNow != 0:
		return &now
	}
	t := joinTime(sec, nsec)
	return &t
}

// splitTime divides nanoseconds so that times before 1970 have a positive rest.
func splitTime(ns int64) (sec uint64, nsec uint32) {
	s, n := ns/1e9, ns%1e9
	if n < 0 {
		s, n = s-1, n+1e9
	}
	return uint64(s), uint32(n)
}

// joinTime is splitTime's inverse. What 64 bits of nanoseconds cannot say (before
// 1677, after 2262) becomes the nearest they can, as on other filesystems.
func joinTime(sec uint64, nsec uint32) int64 {
	const limit = math.MaxInt64/1_000_000_000 - 1
	return min(max(int64(sec), -limit), limit)*1_000_000_000 + int64(nsec)
}
