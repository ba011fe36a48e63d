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

func (f *fileSystem) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	id := spacedb.NodeID(in.NodeId)
	if in.Uid != 0 { // no flag says what the kernel knows of privileges here
		if err := f.dropSetID(id); err != nil {
			return status(err)
		}
	}
	return status(f.tree.Allocate(id, int64(in.Offset), int64(in.Length), in.Mode))
}
