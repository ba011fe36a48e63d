package fusefs

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// RequestCount is how often the kernel asked something, and how long answering
// took inside the daemon.
type RequestCount struct {
	Count int64 `json:"count"`
	Nanos int64 `json:"nanos"`
}

// opcodes are the requests' names by number, as in <linux/fuse.h>.
var opcodes = [64]string{
	1: "LOOKUP", 2: "FORGET", 3: "GETATTR", 4: "SETATTR", 5: "READLINK", 6: "SYMLINK", 8: "MKNOD", 9: "MKDIR",
	10: "UNLINK", 11: "RMDIR", 12: "RENAME", 13: "LINK", 14: "OPEN", 15: "READ", 16: "WRITE", 17: "STATFS",
	18: "RELEASE", 20: "FSYNC", 21: "SETXATTR", 22: "GETXATTR", 23: "LISTXATTR", 24: "REMOVEXATTR", 25: "FLUSH",
	27: "OPENDIR", 28: "READDIR", 29: "RELEASEDIR", 30: "FSYNCDIR", 34: "ACCESS", 35: "CREATE", 39: "IOCTL",
	43: "FALLOCATE", 44: "READDIRPLUS", 45: "RENAME2", 46: "LSEEK", 47: "COPY_FILE_RANGE", 51: "TMPFILE", 52: "STATX",
}

const opForget = 2

// counter stands before the file system and counts what passes: the number of
// requests is what a mount costs those who work in it.
type counter struct {
	fuse.RawFileSystem
	requests [len(opcodes)]struct{ count, nanos atomic.Int64 }

	// gate is held shared by every request, and alone, for good, by shut.
	gate sync.RWMutex
}

// shut returns when no request is being answered. Those that come later wait for
// ever, which is until this process ends: then the kernel answers them.
func (c *counter) shut() { c.gate.Lock() }

func (c *counter) enter() time.Time {
	c.gate.RLock()
	return time.Now()
}

// since is deferred with the time a request came.
func (c *counter) since(opcode uint32, came time.Time) {
	c.gate.RUnlock()
	r := &c.requests[opcode%uint32(len(opcodes))]
	r.count.Add(1)
	r.nanos.Add(int64(time.Since(came)))
}

// counts is what came so far, by the requests' names. FORGET counts nodes, not
// requests: the kernel sends them in batches and waits for none.
func (c *counter) counts() map[string]RequestCount {
	all := map[string]RequestCount{}
	for op := range c.requests {
		name := opcodes[op]
		if name == "" {
			name = fmt.Sprintf("OPCODE-%d", op)
		}
		if n := c.requests[op].count.Load(); n > 0 {
			all[name] = RequestCount{Count: n, Nanos: c.requests[op].nanos.Load()}
		}
	}
	return all
}

type cancel = <-chan struct{}

func (c *counter) Lookup(x cancel, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	defer c.since(h.Opcode, c.enter())
	return c.RawFileSystem.Lookup(x, h, name, out)
}

func (c *counter) Forget(node, n uint64) {
	defer c.since(opForget, c.enter())
	c.RawFileSystem.Forget(node, n)
}

func (c *counter) GetAttr(x cancel, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.GetAttr(x, in, out)
}

func (c *counter) SetAttr(x cancel, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.SetAttr(x, in, out)
}

func (c *counter) Readlink(x cancel, h *fuse.InHeader) ([]byte, fuse.Status) {
	defer c.since(h.Opcode, c.enter())
	return c.RawFileSystem.Readlink(x, h)
}

func (c *counter) Symlink(x cancel, h *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	defer c.since(h.Opcode, c.enter())
	return c.RawFileSystem.Symlink(x, h, target, name, out)
}

func (c *counter) Mknod(x cancel, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.Mknod(x, in, name, out)
}

func (c *counter) Mkdir(x cancel, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.Mkdir(x, in, name, out)
}

func (c *counter) Unlink(x cancel, h *fuse.InHeader, name string) fuse.Status {
	defer c.since(h.Opcode, c.enter())
	return c.RawFileSystem.Unlink(x, h, name)
}

func (c *counter) Rmdir(x cancel, h *fuse.InHeader, name string) fuse.Status {
	defer c.since(h.Opcode, c.enter())
	return c.RawFileSystem.Rmdir(x, h, name)
}

func (c *counter) Rename(x cancel, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.Rename(x, in, oldName, newName)
}

func (c *counter) Link(x cancel, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.Link(x, in, name, out)
}

func (c *counter) Open(x cancel, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.Open(x, in, out)
}

func (c *counter) Read(x cancel, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.Read(x, in, buf)
}

func (c *counter) Write(x cancel, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.Write(x, in, data)
}

func (c *counter) Flush(x cancel, in *fuse.FlushIn) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.Flush(x, in)
}

func (c *counter) Create(x cancel, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.Create(x, in, name, out)
}

func (c *counter) Tmpfile(x cancel, in *fuse.CreateIn, out *fuse.CreateOut) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.Tmpfile(x, in, out)
}

func (c *counter) Fsync(x cancel, in *fuse.FsyncIn) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.Fsync(x, in)
}

func (c *counter) FsyncDir(x cancel, in *fuse.FsyncIn) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.FsyncDir(x, in)
}

func (c *counter) GetXAttr(x cancel, h *fuse.InHeader, name string, dest []byte) (uint32, fuse.Status) {
	defer c.since(h.Opcode, c.enter())
	return c.RawFileSystem.GetXAttr(x, h, name, dest)
}

func (c *counter) ListXAttr(x cancel, h *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	defer c.since(h.Opcode, c.enter())
	return c.RawFileSystem.ListXAttr(x, h, dest)
}

func (c *counter) SetXAttr(x cancel, in *fuse.SetXAttrIn, name string, value []byte) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.SetXAttr(x, in, name, value)
}

func (c *counter) RemoveXAttr(x cancel, h *fuse.InHeader, name string) fuse.Status {
	defer c.since(h.Opcode, c.enter())
	return c.RawFileSystem.RemoveXAttr(x, h, name)
}

func (c *counter) OpenDir(x cancel, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.OpenDir(x, in, out)
}

func (c *counter) ReadDir(x cancel, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.ReadDir(x, in, out)
}

func (c *counter) ReadDirPlus(x cancel, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.ReadDirPlus(x, in, out)
}

func (c *counter) StatFs(x cancel, h *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	defer c.since(h.Opcode, c.enter())
	return c.RawFileSystem.StatFs(x, h, out)
}

func (c *counter) Statx(x cancel, in *fuse.StatxIn, out *fuse.StatxOut) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.Statx(x, in, out)
}

func (c *counter) Fallocate(x cancel, in *fuse.FallocateIn) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.Fallocate(x, in)
}

func (c *counter) Lseek(x cancel, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.Lseek(x, in, out)
}

func (c *counter) CopyFileRange(x cancel, in *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.CopyFileRange(x, in)
}

func (c *counter) Ioctl(x cancel, in *fuse.IoctlIn, data []byte, out *fuse.IoctlOut, reply []byte) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.Ioctl(x, in, data, out, reply)
}

func (c *counter) Access(x cancel, in *fuse.AccessIn) fuse.Status {
	defer c.since(in.Opcode, c.enter())
	return c.RawFileSystem.Access(x, in)
}
