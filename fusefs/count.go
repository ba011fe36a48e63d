package fusefs

import (
	"sync/atomic"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// RequestCount is how often a type of request came, and how long answering all
// of them took inside the daemon.
type RequestCount struct {
	Count int64 `json:"count"`
	Nanos int64 `json:"nanos"`
}

type requestType int

const (
	reqLookup requestType = iota
	reqForget
	reqGetattr
	reqSetattr
	reqReadlink
	reqSymlink
	reqMknod
	reqMkdir
	reqUnlink
	reqRmdir
	reqRename
	reqLink
	reqOpen
	reqRead
	reqWrite
	reqFlush
	reqCreate
	reqFsync
	reqXattr
	reqOpendir
	reqReaddir
	reqReaddirplus
	reqStatfs
	reqFallocate
	reqOther
	requestTypes
)

var requestNames = [requestTypes]string{
	"LOOKUP", "FORGET", "GETATTR", "SETATTR", "READLINK", "SYMLINK", "MKNOD", "MKDIR", "UNLINK", "RMDIR", "RENAME", "LINK",
	"OPEN", "READ", "WRITE", "FLUSH", "CREATE", "FSYNC", "XATTR", "OPENDIR", "READDIR", "READDIRPLUS", "STATFS", "FALLOCATE", "OTHER",
}

// counter stands before the file system and counts what passes: the number of
// requests is what a mount costs its users.
type counter struct {
	fuse.RawFileSystem
	count, nanos [requestTypes]atomic.Int64
}

func (c *counter) took(t requestType, start time.Time) {
	c.count[t].Add(1)
	c.nanos[t].Add(int64(time.Since(start)))
}

func (c *counter) counts() map[string]RequestCount {
	all := map[string]RequestCount{}
	for t := range requestTypes {
		if n := c.count[t].Load(); n > 0 {
			all[requestNames[t]] = RequestCount{n, c.nanos[t].Load()}
		}
	}
	return all
}

type cancel = <-chan struct{}

func (c *counter) Lookup(x cancel, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	defer c.took(reqLookup, time.Now())
	return c.RawFileSystem.Lookup(x, h, name, out)
}

func (c *counter) Forget(node, n uint64) {
	defer c.took(reqForget, time.Now())
	c.RawFileSystem.Forget(node, n)
}

func (c *counter) GetAttr(x cancel, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	defer c.took(reqGetattr, time.Now())
	return c.RawFileSystem.GetAttr(x, in, out)
}

func (c *counter) SetAttr(x cancel, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	defer c.took(reqSetattr, time.Now())
	return c.RawFileSystem.SetAttr(x, in, out)
}

func (c *counter) Readlink(x cancel, h *fuse.InHeader) ([]byte, fuse.Status) {
	defer c.took(reqReadlink, time.Now())
	return c.RawFileSystem.Readlink(x, h)
}

func (c *counter) Symlink(x cancel, h *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	defer c.took(reqSymlink, time.Now())
	return c.RawFileSystem.Symlink(x, h, target, name, out)
}

func (c *counter) Mknod(x cancel, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	defer c.took(reqMknod, time.Now())
	return c.RawFileSystem.Mknod(x, in, name, out)
}

func (c *counter) Mkdir(x cancel, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	defer c.took(reqMkdir, time.Now())
	return c.RawFileSystem.Mkdir(x, in, name, out)
}

func (c *counter) Unlink(x cancel, h *fuse.InHeader, name string) fuse.Status {
	defer c.took(reqUnlink, time.Now())
	return c.RawFileSystem.Unlink(x, h, name)
}

func (c *counter) Rmdir(x cancel, h *fuse.InHeader, name string) fuse.Status {
	defer c.took(reqRmdir, time.Now())
	return c.RawFileSystem.Rmdir(x, h, name)
}

func (c *counter) Rename(x cancel, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	defer c.took(reqRename, time.Now())
	return c.RawFileSystem.Rename(x, in, oldName, newName)
}

func (c *counter) Link(x cancel, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	defer c.took(reqLink, time.Now())
	return c.RawFileSystem.Link(x, in, name, out)
}

func (c *counter) Open(x cancel, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	defer c.took(reqOpen, time.Now())
	return c.RawFileSystem.Open(x, in, out)
}

func (c *counter) Read(x cancel, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	defer c.took(reqRead, time.Now())
	return c.RawFileSystem.Read(x, in, buf)
}

func (c *counter) Write(x cancel, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	defer c.took(reqWrite, time.Now())
	return c.RawFileSystem.Write(x, in, data)
}

func (c *counter) Flush(x cancel, in *fuse.FlushIn) fuse.Status {
	defer c.took(reqFlush, time.Now())
	return c.RawFileSystem.Flush(x, in)
}

func (c *counter) Create(x cancel, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	defer c.took(reqCreate, time.Now())
	return c.RawFileSystem.Create(x, in, name, out)
}

func (c *counter) Fsync(x cancel, in *fuse.FsyncIn) fuse.Status {
	defer c.took(reqFsync, time.Now())
	return c.RawFileSystem.Fsync(x, in)
}

func (c *counter) FsyncDir(x cancel, in *fuse.FsyncIn) fuse.Status {
	defer c.took(reqFsync, time.Now())
	return c.RawFileSystem.FsyncDir(x, in)
}

func (c *counter) GetXAttr(x cancel, h *fuse.InHeader, name string, dest []byte) (uint32, fuse.Status) {
	defer c.took(reqXattr, time.Now())
	return c.RawFileSystem.GetXAttr(x, h, name, dest)
}

func (c *counter) OpenDir(x cancel, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	defer c.took(reqOpendir, time.Now())
	return c.RawFileSystem.OpenDir(x, in, out)
}

func (c *counter) ReadDir(x cancel, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	defer c.took(reqReaddir, time.Now())
	return c.RawFileSystem.ReadDir(x, in, out)
}

func (c *counter) ReadDirPlus(x cancel, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	defer c.took(reqReaddirplus, time.Now())
	return c.RawFileSystem.ReadDirPlus(x, in, out)
}

func (c *counter) StatFs(x cancel, in *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	defer c.took(reqStatfs, time.Now())
	return c.RawFileSystem.StatFs(x, in, out)
}

func (c *counter) Fallocate(x cancel, in *fuse.FallocateIn) fuse.Status {
	defer c.took(reqFallocate, time.Now())
	return c.RawFileSystem.Fallocate(x, in)
}
