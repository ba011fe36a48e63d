package fusefs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const handles = 3

// people are who acts: root, somebody with a second group, and nobody.
var people = []struct {
	uid, gid int
	groups   []uint32
}{{0, 0, nil}, {1000, 1000, []uint32{2000}}, {65534, 65534, nil}}

// become lets this thread's file accesses be somebody's. What root may stays
// out of it while it is somebody else: the kernel takes it away with the fsuid.
func become(who int) {
	if os.Getuid() != 0 {
		return
	}
	p := people[who]
	var list *uint32
	if len(p.groups) > 0 {
		list = &p.groups[0]
	}
	setgroups(len(p.groups), list)
	_ = unix.Setfsgid(p.gid)
	_ = unix.Setfsuid(p.uid)
}

var umasks = []int{0, 0, 0o022, 0o007}

// accessLists are written as pairs of tag and permissions, and an id. The group
// can always execute, for the reason that modes give.
var accessLists = [][][3]int{
	{{1, 6}, {4, 5}, {0x20, 4}},
	{{1, 7}, {2, 6, 1000}, {4, 5}, {0x10, 5}, {0x20, 0}},
	{{1, 7}, {2, 7, 1000}, {4, 5}, {8, 7, 2000}, {0x10, 7}, {0x20, 1}},
	{{1, 6}, {4, 4}, {8, 0, 65534}, {0x10, 7}, {0x20, 6}},
	{{1, 7}, {4, 7}, {0x10, 1}, {0x20, 7}},
}

// accessList is an ACL as setxattr(2) takes it.
func accessList(lines [][3]int) []byte {
	b := []byte{2, 0, 0, 0}
	for _, l := range lines {
		id := uint32(l[2])
		if l[0]&0x0a == 0 {
			id = 0xffffffff
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(l[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(l[1]))
		b = binary.LittleEndian.AppendUint32(b, id)
	}
	return b
}

// world is a directory in which actions happen, with a few open files.
type world struct {
	root string
	fd   [handles]int
	fine bool // every change has a time of its own
}

// newWorld makes an empty directory for anybody to work in.
func newWorld(root string, fine bool) (*world, error) {
	w := &world{root: root, fine: fine}
	for h := range w.fd {
		w.fd[h] = -1
	}
	return w, errors.Join(os.Mkdir(root, 0o777), os.Chmod(root, 0o777))
}

func (w *world) end() error {
	for h := range w.fd {
		w.close(h)
	}
	// Who is not root must first be allowed to remove what is in a directory.
	_ = filepath.WalkDir(w.root, func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			err = os.Chmod(p, 0o700)
		}
		return err
	})
	return os.RemoveAll(w.root)
}

func (w *world) close(h int) {
	if w.fd[h] >= 0 {
		unix.Close(w.fd[h])
		w.fd[h] = -1
	}
}

func (w *world) path(name string) string { return w.root + "/" + name }

// do acts and says how it went, and what became of everything that was named,
// without naming the root.
func (w *world) do(a action) string {
	subjects := []func(*unix.Stat_t) error{
		func(st *unix.Stat_t) error { return unix.Lstat(w.path(a.a), st) },
		func(st *unix.Stat_t) error { return unix.Lstat(w.path(a.b), st) },
		func(st *unix.Stat_t) error { return unix.Stat(filepath.Dir(w.path(a.a)), st) },
		func(st *unix.Stat_t) error { return unix.Stat(filepath.Dir(w.path(a.b)), st) },
		func(st *unix.Stat_t) error { return unix.Fstat(w.fd[a.h], st) },
		func(st *unix.Stat_t) error { return unix.Fstat(w.fd[a.to], st) },
	}
	before := make([]unix.Stat_t, len(subjects))
	for i, stat := range subjects {
		_ = stat(&before[i])
	}
	become(a.who)
	unix.Umask(umasks[int(a.fill)%len(umasks)])
	text := w.act(a)
	unix.Umask(0)
	become(0)
	if a.op == "open" || a.op == "tmpfile" {
		before[4], before[5] = unix.Stat_t{}, unix.Stat_t{} // inode numbers may be used again
	}
	for i, stat := range subjects {
		var now unix.Stat_t
		if err := stat(&now); err == nil {
			text += fmt.Sprintf("; %s %s", [...]string{"a", "b", "a/..", "b/..", "h", "to"}[i], w.describe(&before[i], &now))
		}
	}
	return text
}

// describe says what a node is and whether its times moved.
func (w *world) describe(before, now *unix.Stat_t) string {
	text := fmt.Sprintf("%o n%d u%d g%d", now.Mode, now.Nlink, now.Uid, now.Gid)
	if now.Mode&unix.S_IFMT == unix.S_IFREG || now.Mode&unix.S_IFMT == unix.S_IFLNK {
		text += fmt.Sprintf(" s%d", now.Size)
	}
	switch {
	case before.Ino != now.Ino:
		text += " new"
	case now.Mode&unix.S_IFMT == unix.S_IFIFO:
		// What goes through a pipe never reaches a FUSE filesystem, nor its times.
	case w.fine:
		if before.Mtim != now.Mtim {
			text += " m"
		}
		if before.Ctim != now.Ctim {
			text += " c"
		}
	}
	return text
}

func (w *world) act(a action) string {
	p, q, fd := w.path(a.a), w.path(a.b), w.fd[a.h]
	switch a.op {
	case "open":
		return w.open(a.h, p, a.flags, a.mode)
	case "tmpfile":
		return w.open(a.h, filepath.Dir(p), unix.O_TMPFILE|unix.O_RDWR, a.mode)
	case "name":
		return outcome(unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, p, unix.AT_SYMLINK_FOLLOW))
	case "close":
		w.close(a.h)
		return "ok"
	case "pwrite":
		n, err := unix.Pwrite(fd, a.data(), a.off)
		return count(n, err)
	case "write":
		n, err := unix.Write(fd, a.data())
		return count(n, err)
	case "pread":
		buf := make([]byte, a.size)
		n, err := unix.Pread(fd, buf, a.off)
		return fmt.Sprintf("%x %s", fnvSum(buf[:max(n, 0)]), count(n, err))
	case "ftruncate":
		return outcome(unix.Ftruncate(fd, a.off))
	case "fsync":
		return outcome(unix.Fsync(fd))
	case "fchmod":
		return outcome(unix.Fchmod(fd, a.mode))
	case "fallocate":
		return outcome(unix.Fallocate(fd, uint32(a.flags), a.off, a.size))
	case "fstat":
		return "ok"
	case "seek":
		return holesOf(fd)
	case "mmap":
		return writeThroughMap(fd, a)
	case "copy":
		return w.copy(a)
	case "save":
		return outcome(saveFile(p, a))
	case "truncate":
		return outcome(unix.Truncate(p, a.off))
	case "mkdir":
		return outcome(unix.Mkdir(p, a.mode&0o1777))
	case "mkfifo":
		return outcome(unix.Mkfifo(p, a.mode&0o777))
	case "mksock":
		return outcome(unix.Mknod(p, unix.S_IFSOCK|a.mode&0o777, 0))
	case "unlink":
		return outcome(unix.Unlink(p))
	case "rmdir":
		return outcome(unix.Rmdir(p))
	case "rename":
		return outcome(unix.Rename(p, q))
	case "exchange":
		return outcome(unix.Renameat2(unix.AT_FDCWD, p, unix.AT_FDCWD, q, unix.RENAME_EXCHANGE))
	case "noreplace":
		return outcome(unix.Renameat2(unix.AT_FDCWD, p, unix.AT_FDCWD, q, unix.RENAME_NOREPLACE))
	case "link":
		return outcome(unix.Link(p, q))
	case "symlink":
		return outcome(unix.Symlink(a.b, p))
	case "chmod":
		return outcome(unix.Chmod(p, a.mode))
	case "chown":
		ids := []int{0, 1000, 2000, 65534, -1}
		return outcome(unix.Lchown(p, ids[int(a.fill)%len(ids)], ids[int(a.size)%len(ids)]))
	case "utimes":
		ts := unix.Timespec{Sec: (a.off - 50000) << 15, Nsec: a.size}
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return outcome(err)
		}
		return mtimeOf(p)
	case "readfile":
		return readAll(p)
	case "list":
		return listNames(p)
	case "readlink":
		buf := make([]byte, 4096)
		n, err := unix.Readlink(p, buf)
		return string(buf[:max(n, 0)]) + count(n, err)
	case "setxattr":
		return outcome(unix.Lsetxattr(p, a.b, a.data(), a.flags))
	case "getxattr":
		buf := make([]byte, 1000)
		n, err := unix.Lgetxattr(p, a.b, buf[:int(a.fill)*5%1000])
		return fmt.Sprintf("%x %s", fnvSum(buf[:max(n, 0)]), count(n, err))
	case "listxattr":
		return listAttributes(p)
	case "setacl":
		return outcome(unix.Setxattr(p, a.b, accessList(accessLists[int(a.mode)%len(accessLists)]), 0))
	case "getacl":
		buf := make([]byte, 200)
		n, err := unix.Getxattr(p, a.b, buf)
		return fmt.Sprintf("%x %s", fnvSum(buf[:max(n, 0)]), count(n, err))
	case "removeacl":
		return outcome(unix.Removexattr(p, a.b))
	case "removexattr":
		return outcome(unix.Lremovexattr(p, a.b))
	}
	panic(a.op)
}

// open never waits for the other end of a pipe. Nor then does it for whoever has
// a lease on the file, as the sealer has for a moment: EAGAIN, says open(2), means
// just that, and not that the mount is another disk. One that stayed would show.
func (w *world) open(h int, p string, flags int, mode uint32) string {
	w.close(h)
	fd, err := unix.Open(p, flags|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, mode)
	for end := time.Now().Add(20 * time.Second); err == unix.EAGAIN && time.Now().Before(end); {
		fd, err = unix.Open(p, flags|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, mode)
	}
	if err == nil {
		w.fd[h] = fd
	}
	return outcome(err)
}

// copy copies between two files in the kernel; how much at a time is the
// filesystem's business.
func (w *world) copy(a action) string {
	from, to, total := a.off, a.size, 0
	for total < 200000 {
		n, err := unix.CopyFileRange(w.fd[a.h], &from, w.fd[a.to], &to, 200000-total, 0)
		if err != nil || n == 0 {
			return count(total, err)
		}
		total += n
	}
	return count(total, nil)
}

// saveFile writes a file as careful programs do: beside it, and then over it.
func saveFile(p string, a action) error {
	beside := p + ".new"
	fd, err := unix.Open(beside, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, a.mode)
	if err != nil {
		return err
	}
	_, err = unix.Write(fd, a.data())
	unix.Close(fd)
	if err == nil {
		err = unix.Rename(beside, p)
	}
	if err != nil {
		_ = unix.Unlink(beside)
	}
	return err
}

// writeThroughMap writes a page through a shared mapping, looks at it with
// read(2) and for holes before anything is synced, and syncs.
func writeThroughMap(fd int, a action) string {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return outcome(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size <= a.off {
		return "nothing to map"
	}
	page, err := unix.Mmap(fd, a.off, int(min(4096, st.Size-a.off)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return outcome(err)
	}
	for i := range page {
		page[i] = a.fill
	}
	buf := make([]byte, len(page))
	n, err := unix.Pread(fd, buf, a.off)
	text := fmt.Sprintf("%x %s %s", fnvSum(buf), count(n, err), holesOf(fd))
	text += outcome(unix.Msync(page, unix.MS_SYNC))
	return text + outcome(unix.Munmap(page))
}

// holesOf verifies what SEEK_DATA and SEEK_HOLE say: where holes are is the
// filesystem's business, but they must be zeros, and add up.
func holesOf(fd int) string {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return outcome(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return "no file"
	}
	at, err := unix.Seek(fd, 0, unix.SEEK_CUR)
	if err != nil {
		return outcome(err)
	}
	defer unix.Seek(fd, at, unix.SEEK_SET)
	_, beyond := unix.Seek(fd, st.Size, unix.SEEK_DATA)
	_, behind := unix.Seek(fd, st.Size+1, unix.SEEK_HOLE)
	text := fmt.Sprintf("beyond %s, behind %s", outcome(beyond), outcome(behind))
	for off := int64(0); off < st.Size; {
		data, err := unix.Seek(fd, off, unix.SEEK_DATA)
		if err == unix.ENXIO {
			data, err = st.Size, nil
		}
		if err != nil || data < off || data > st.Size {
			return fmt.Sprintf("%s, data after %d: %d %v", text, off, data, err)
		}
		hole := make([]byte, data-off)
		if n, err := unix.Pread(fd, hole, off); err == nil && !bytes.Equal(hole[:n], make([]byte, len(hole))) {
			return fmt.Sprintf("%s, the hole from %d to %d is not empty", text, off, data)
		}
		if data == st.Size {
			break
		}
		if off, err = unix.Seek(fd, data, unix.SEEK_HOLE); err != nil || off <= data || off > st.Size {
			return fmt.Sprintf("%s, hole after %d: %d %v", text, data, off, err)
		}
	}
	return text + ", sound"
}

func readAll(p string) string {
	fd, err := unix.Open(p, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return outcome(err)
	}
	defer unix.Close(fd)
	h, buf, total := fnv.New64a(), make([]byte, 1<<17), 0
	for {
		n, err := unix.Read(fd, buf)
		if n <= 0 {
			return fmt.Sprintf("%d %x %s", total, h.Sum64(), outcome(err))
		}
		h.Write(buf[:n])
		total += n
	}
}

func listNames(p string) string {
	entries, err := os.ReadDir(p)
	text := outcome(err)
	for _, e := range entries {
		text += fmt.Sprintf(" %q %v", e.Name(), e.Type())
	}
	return text
}

func listAttributes(p string) string {
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(p, buf)
	list := strings.Split(string(buf[:max(n, 0)]), "\x00")
	list = slices.DeleteFunc(list, func(name string) bool {
		// Who may see these is asked differently of who only has another fsuid.
		return strings.HasPrefix(name, "trusted.")
	})
	slices.Sort(list)
	return strings.Join(list, " ") + outcome(err)
}

func mtimeOf(p string) string {
	var st unix.Stat_t
	if unix.Lstat(p, &st) != nil {
		return ""
	}
	return fmt.Sprintf(" %d.%d", st.Mtim.Sec, st.Mtim.Nsec)
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

func count(n int, err error) string { return fmt.Sprintf("%d %s", n, outcome(err)) }

func fnvSum(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// tree describes everything below the root.
func (w *world) tree() string {
	var lines []string
	err := filepath.WalkDir(w.root, func(p string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(w.root, p)
		if err != nil {
			lines = append(lines, fmt.Sprintf("%q %s", rel, outcome(err)))
			return nil
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		line := fmt.Sprintf("%q %s %s", rel, w.describe(&st, &st), listAttributes(p))
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			line += " " + readAll(p)
		case unix.S_IFLNK:
			target, err := os.Readlink(p)
			line += " -> " + target + outcome(err)
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		return err.Error()
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
