package fusefs

import (
	"github.com/hanwen/go-fuse/v2/fuse"

	"spacefs/spacedb"
)

// Open, OpenDir and Flush are asked once and, being answered ENOSYS, never
// again. CREATE becomes MKNOD.
func (f *fileSystem) Open(<-chan struct{}, *fuse.OpenIn, *fuse.OpenOut) fuse.Status {
	return fuse.ENOSYS
}

func (f *fileSystem) OpenDir(<-chan struct{}, *fuse.OpenIn, *fuse.OpenOut) fuse.Status {
	return fuse.ENOSYS
}

func (f *fileSystem) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.ENOSYS }

func (f *fileSystem) Create(<-chan struct{}, *fuse.CreateIn, string, *fuse.CreateOut) fuse.Status {
	return fuse.ENOSYS
}

// Read fills the buffer the reply is sent from.
func (f *fileSystem) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	n, err := f.tree.ReadAt(spacedb.NodeID(in.NodeId), buf, int64(in.Offset))
	if err != nil {
		return nil, status(err)
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

// Write is where a program's bytes arrive; the package comment follows them on.
func (f *fileSystem) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	id := spacedb.NodeID(in.NodeId)
	n, err := f.tree.WriteAt(id, data, int64(in.Offset))
	if err != nil {
		return 0, status(err)
	}
	if in.WriteFlags&fuse.WRITE_KILL_SUIDGID != 0 {
		if _, err := f.tree.SetAttr(id, spacedb.AttrChange{DropSetID: true}); err != nil {
			return 0, status(err)
		}
	}
	// With neither OPEN nor FSYNC for each write, the flags of the request are
	// where O_SYNC and O_DSYNC show.
	if in.Flags&syncFlags != 0 {
		err = f.tree.Fsync(id)
	}
	return uint32(n), status(err)
}

func (f *fileSystem) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return status(f.tree.Fsync(spacedb.NodeID(in.NodeId)))
}

func (f *fileSystem) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return status(f.tree.Fsync(spacedb.NodeID(in.NodeId)))
}

func (f *fileSystem) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	return status(f.tree.Allocate(spacedb.NodeID(in.NodeId), int64(in.Offset), int64(in.Length), in.Mode))
}

// Ioctl: chattr, FITRIM and their kin have no meaning here.
func (f *fileSystem) Ioctl(<-chan struct{}, *fuse.IoctlIn, []byte, *fuse.IoctlOut, []byte) fuse.Status {
	return enotty
}
