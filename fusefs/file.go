package fusefs

import (
	"github.com/hanwen/go-fuse/v2/fuse"

	"spacefs/spacedb"
)

// Read fills the buffer that the reply is sent from.
func (f *fileSystem) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	n, err := f.plain.ReadAt(spacedb.NodeID(in.NodeId), buf, int64(in.Offset))
	if err != nil {
		return nil, status(err)
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

// Write is where a program's bytes arrive; the package comment follows them on.
func (f *fileSystem) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	id := spacedb.NodeID(in.NodeId)
	if in.WriteFlags&fuse.WRITE_KILL_SUIDGID != 0 {
		if err := f.dropSetID(id); err != nil {
			return 0, status(err)
		}
	}
	n, err := f.tree.WriteAt(id, data, int64(in.Offset))
	if in.WriteFlags&fuse.WRITE_CACHE != 0 {
		// A page of a mapping. The kernel does not count its coming as a change, and
		// would keep an older answer to a GETATTR that is still on its way for an hour.
		f.server.InodeNotify(in.NodeId, -1, 0)
	}
	// Nobody opens and nothing is flushed here: O_SYNC and O_DSYNC show in the
	// flags of each write.
	if err == nil && in.Flags&dsync != 0 {
		err = f.tree.Fsync(id)
	}
	return uint32(n), status(err)
}

// dropSetID takes the set-id bits away before content changes. The kernel asks
// for it at every write of an unprivileged program, so the usual case, that there
// are none, must be cheap.
func (f *fileSystem) dropSetID(id spacedb.NodeID) error {
	a, err := f.plain.Attr(id)
	if err != nil || a.Mode&0o6000 == 0 {
		return err
	}
	_, err = f.tree.SetAttr(id, spacedb.AttrChange{DropSetID: true})
	return err
}

// Fsync returns when the file, and everything that was done before, is durable.
func (f *fileSystem) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return status(f.tree.Fsync(spacedb.NodeID(in.NodeId)))
}

func (f *fileSystem) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return status(f.tree.Fsync(spacedb.NodeID(in.NodeId)))
}

// Fallocate promises room that nobody keeps free, as on any filesystem that never
// writes over what it has; but what the disk cannot hold it does not promise.
func (f *fileSystem) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	id := spacedb.NodeID(in.NodeId)
	if host := f.room.now(); in.Mode&spacedb.AllocatePunchHole == 0 && in.Offset+in.Length <= uint64(spacedb.MaxSize) &&
		host != nil && in.Length > host.available {
		return enospc
	}
	if in.Uid != 0 { // no flag says what the kernel knows of privileges here
		if err := f.dropSetID(id); err != nil {
			return status(err)
		}
	}
	return status(f.tree.Allocate(id, int64(in.Offset), int64(in.Length), in.Mode))
}

// Lseek finds data and holes. What it takes for a hole the kernel may know
// better: pages that were written through a mapping and not sent yet. Taking the
// hole out of its cache makes it send them; the kernel holds no page meanwhile.
func (f *fileSystem) Lseek(_ <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	id, off := spacedb.NodeID(in.NodeId), int64(in.Offset)
	if in.Whence != seekData && in.Whence != seekHole {
		return fuse.EINVAL
	}
	at, err := f.plain.Seek(id, off, in.Whence == seekHole)
	if in.Whence == seekData && (err == spacedb.ErrNoData || at > off) {
		f.server.InodeNotify(in.NodeId, off, max(at-off, 0)) // 0: to the end
		at, err = f.plain.Seek(id, off, false)
	}
	out.Offset = uint64(at)
	return status(err)
}

const (
	seekData = 3
	seekHole = 4
)

// CopyFileRange shares what it can; the kernel has sent what it knew of both
// files, and forgets what it has of the copy.
func (f *fileSystem) CopyFileRange(_ <-chan struct{}, in *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	from, to := spacedb.NodeID(in.NodeId), spacedb.NodeID(in.NodeIdOut)
	if in.Uid != 0 { // as in Fallocate
		if err := f.dropSetID(to); err != nil {
			return 0, status(err)
		}
	}
	n, err := f.tree.CopyRange(from, int64(in.OffIn), to, int64(in.OffOut), int64(min(in.Len, maxCopy)))
	return uint32(n), status(err)
}

// maxCopy is what the answer has room for, in whole chunks.
const maxCopy = 1 << 31
