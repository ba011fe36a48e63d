package spacedb

import "io/fs"

// NodeID is an inode number. It is never reused within a space.
type NodeID uint64

// Root is the directory every path starts from.
const Root NodeID = 1

// The file type bits of Attr.Mode, as in stat(2). They are spelled out here
// because the space file stores them and must mean the same on every platform.
const (
	TypeMask    uint32 = 0o170000
	TypeSocket  uint32 = 0o140000
	TypeSymlink uint32 = 0o120000
	TypeRegular uint32 = 0o100000
	TypeBlock   uint32 = 0o060000
	TypeDir     uint32 = 0o040000
	TypeChar    uint32 = 0o020000
	TypeFIFO    uint32 = 0o010000
	PermMask    uint32 = 0o7777
)

// Limits, in bytes. A name or target beyond them is refused, also when read
// from a space file.
const (
	MaxName   = 255
	MaxTarget = 4095
	MaxSize   = int64(1) << 44
	MaxLinks  = 1 << 16
)

// Attr is what stat(2) tells of a node. Times are nanoseconds since 1970 UTC
// and may be negative.
type Attr struct {
	ID       NodeID
	Mode     uint32 // type and permission bits
	Nlink    uint32
	UID, GID uint32
	Rdev     uint32
	Size     int64 // bytes
	Blocks   int64 // 512-byte units that hold data; holes do not count
	Atime    int64
	Mtime    int64
	Ctime    int64
	Btime    int64
	// Version grows with every change of content or link target, and with
	// nothing else: equal versions mean equal bytes.
	Version uint64
}

// Type returns the file type bits of the mode.
func (a Attr) Type() uint32 { return a.Mode & TypeMask }

// Perm returns the permission bits, set-id and sticky included.
func (a Attr) Perm() uint32 { return a.Mode & PermMask }

func (a Attr) IsDir() bool     { return a.Type() == TypeDir }
func (a Attr) IsRegular() bool { return a.Type() == TypeRegular }
func (a Attr) IsSymlink() bool { return a.Type() == TypeSymlink }

// FileMode converts a stored mode to the standard library's.
func FileMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	switch mode & TypeMask {
	case TypeDir:
		m |= fs.ModeDir
	case TypeSymlink:
		m |= fs.ModeSymlink
	case TypeFIFO:
		m |= fs.ModeNamedPipe
	case TypeSocket:
		m |= fs.ModeSocket
	case TypeChar:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case TypeBlock:
		m |= fs.ModeDevice
	}
	if mode&0o4000 != 0 {
		m |= fs.ModeSetuid
	}
	if mode&0o2000 != 0 {
		m |= fs.ModeSetgid
	}
	if mode&0o1000 != 0 {
		m |= fs.ModeSticky
	}
	return m
}

// UnixMode converts the standard library's mode to a stored one.
func UnixMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	switch {
	case m&fs.ModeDir != 0:
		mode |= TypeDir
	case m&fs.ModeSymlink != 0:
		mode |= TypeSymlink
	case m&fs.ModeNamedPipe != 0:
		mode |= TypeFIFO
	case m&fs.ModeSocket != 0:
		mode |= TypeSocket
	case m&fs.ModeCharDevice != 0:
		mode |= TypeChar
	case m&fs.ModeDevice != 0:
		mode |= TypeBlock
	default:
		mode |= TypeRegular
	}
	if m&fs.ModeSetuid != 0 {
		mode |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		mode |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		mode |= 0o1000
	}
	return mode
}

// AttrChange names the attributes to set; nil fields stay as they are.
type AttrChange struct {
	Mode         *uint32 // permission bits only
	UID, GID     *uint32
	Size         *int64
	Atime, Mtime *int64 // nanoseconds since 1970
	// DropSetID takes the set-id bits away, as writing without privilege does.
	DropSetID bool
	// Ctime is set by the store; the kernel never sets it.
}

// Cred is who creates a node: its owner and, outside setgid directories, its
// group. The umask counts where the directory has no default ACL.
type Cred struct{ UID, GID, Umask uint32 }

// Dirent is one entry of a directory. Cookie is where the next ReadDir goes on;
// it stays valid while other entries come and go, and across evictions.
type Dirent struct {
	Name   string
	Cookie uint64
	Attr   Attr
}

// Flags of Rename, with renameat2(2)'s values.
const (
	RenameNoReplace uint32 = 1
	RenameExchange  uint32 = 2
)

// Flags of SetXattr, with setxattr(2)'s values.
const (
	XattrCreate  uint32 = 1
	XattrReplace uint32 = 2
)

// Flags of Allocate, with fallocate(2)'s values.
const (
	AllocateKeepSize  uint32 = 1
	AllocatePunchHole uint32 = 2
	AllocateZeroRange uint32 = 16
)

// Usage is what statfs(2) tells. It is kept, never counted.
type Usage struct {
	Nodes int64 `json:"nodes"` // in the tree
	Bytes int64 `json:"bytes"` // of content in the tree, without history
}
