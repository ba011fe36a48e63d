package materialize

import (
	"bytes"
	"encoding/binary"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"spacefs/spacedb"
)

// directory is an open directory of a mirror. It is reached by name from the one
// above it, never through a symlink: nothing that is renamed or linked meanwhile
// leads outside the mirror.
//
// It goes around package os, which would stat every name as a path, make three
// objects of each entry and ask the poller about each directory: half the time
// of a scan.
type directory struct{ fd int }

const openFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK

func openDirectory(root *os.Root, path string) (directory, error) {
	f, err := root.Open(orDot(path))
	if err != nil {
		return directory{}, err
	}
	defer f.Close()
	fd, err := unix.Openat(int(f.Fd()), ".", openFlags, 0)
	return directory{fd}, err
}

func (d directory) open(name string) (directory, error) {
	fd, err := retry(func() (int, error) { return unix.Openat(d.fd, name, openFlags, 0) })
	return directory{fd}, err
}

func (d directory) close() { _ = unix.Close(d.fd) }

// list reads the directory and stats what is in it.
func (d directory) list() ([]listed, error) {
	var entries []listed
	buf := make([]byte, 16<<10)
	for {
		n, err := retry(func() (int, error) { return unix.Getdents(d.fd, buf) })
		if err != nil || n == 0 {
			return entries, err
		}
		if entries == nil {
			entries = make([]listed, 0, n/direntLeast)
		}
		text := string(buf[:n]) // the names are parts of it
		// struct linux_dirent64: inode, offset, record length, type, name, NUL.
		for at := 0; n-at > direntName; {
			record := buf[at : at+int(binary.NativeEndian.Uint16(buf[at+16:]))]
			name := text[at+direntName:][:bytes.IndexByte(record[direntName:], 0)]
			at += len(record)
			if name == "." || name == ".." {
				continue
			}
			st, err := d.stat(&record[direntName])
			if err == unix.ENOENT {
				continue // it went while we looked
			}
			e := listed{name: name, stat: st}
			if err != 0 {
				e.err = err
			}
			entries = append(entries, e)
		}
	}
}

const (
	direntName  = 19
	direntLeast = 24 // bytes of a record
)

// stat is of a name that ends in NUL.
func (d directory) stat(name *byte) (stamp, unix.Errno) {
	var st unix.Statx_t
	_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(d.fd), uintptr(unsafe.Pointer(name)),
		unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(&st)), 0)
	if errno != 0 {
		return stamp{}, errno
	}
	s := stamp{mode: uint32(st.Mode), mtime: nanos(st.Mtime), ctime: nanos(st.Ctime), inode: st.Ino}
	if s.mode&spacedb.TypeMask == spacedb.TypeRegular {
		s.size = int64(st.Size)
	}
	return s, 0
}

func nanos(t unix.StatxTimestamp) int64 { return t.Sec*1e9 + int64(t.Nsec) }

func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// Fd is the directory's file descriptor.
func (d directory) Fd() uintptr { return uintptr(d.fd) }
