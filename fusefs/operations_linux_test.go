package fusefs_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spacefs/spacedb"
)

func TestUnlinkedFilesLiveWhileOpen(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.write("f", "still here")
	f, err := os.OpenFile(m.path("f"), os.O_RDWR, 0)
	m.ok(err)
	defer f.Close()
	m.ok(os.Remove(m.path("f")))
	m.ok(f.Chmod(0o600))
	_, err = f.WriteAt([]byte("STILL"), 0)
	m.ok(err)
	m.ok(f.Sync())
	p := make([]byte, 10)
	_, err = f.ReadAt(p, 0)
	m.ok(err)
	if string(p) != "STILL here" {
		t.Errorf("reads %q", p)
	}
}

func TestSharedMappingsReachTheFile(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.write("f", "0123456789")
	m.ok(child(t, "map", m.path("f"), "mapped").Run())
	a, err := m.store.Tree(spacedb.Actor{}).Resolve("f")
	m.ok(err)
	p := make([]byte, 10)
	_, err = m.store.Tree(spacedb.Actor{}).ReadAt(a.ID, p, 0)
	m.ok(err)
	if string(p) != "mapped6789" {
		t.Errorf("the store has %q", p)
	}
}

func TestSetgidDirectoriesPassTheirGroupOn(t *testing.T) {
	needRoot(t)
	m := mount(t, spacedb.Options{})
	m.ok(os.Mkdir(m.path("d"), 0o755))
	m.ok(os.Chown(m.path("d"), 0, 1234))
	m.ok(unix.Chmod(m.path("d"), 0o2775))
	m.write("d/f", "")
	m.ok(os.Mkdir(m.path("d/sub"), 0o755))
	for name, setgid := range map[string]bool{"d/f": false, "d/sub": true} {
		st := m.stat(name)
		if st.Gid != 1234 || (st.Mode&0o2000 != 0) != setgid {
			t.Errorf("%s: gid %d, mode %o", name, st.Gid, st.Mode)
		}
	}
}

func TestWritingTakesSetIDAway(t *testing.T) {
	needRoot(t)
	m := mount(t, spacedb.Options{})
	m.write("f", "x")
	m.ok(unix.Chmod(m.path("f"), 0o6755))
	m.ok(os.Chown(m.path("f"), 7, 7))
	st := m.stat("f")
	if st.Mode&0o6000 != 0 {
		t.Errorf("after chown the mode is %o", st.Mode)
	}
}

func TestListingsSurviveChange(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.ok(os.Mkdir(m.path("d"), 0o755))
	const stay = 3000
	for i := range stay {
		m.write(fmt.Sprintf("d/stay-%05d", i), "")
		m.write(fmt.Sprintf("d/go-%05d", i), "")
	}
	d, err := os.Open(m.path("d"))
	m.ok(err)
	defer d.Close()
	seen := map[string]int{}
	for i := 0; ; i++ {
		names, err := d.Readdirnames(100)
		for _, n := range names {
			seen[n]++
		}
		if err != nil || len(names) == 0 {
			break
		}
		for j := range 50 {
			os.Remove(m.path(fmt.Sprintf("d/go-%05d", (i*50+j)%stay)))
			m.write(fmt.Sprintf("d/come-%05d-%05d", i, j), "")
		}
		if i > 200 {
			t.Fatalf("the listing does not end: %d names so far", len(seen))
		}
	}
	for i := range stay {
		if n := seen[fmt.Sprintf("stay-%05d", i)]; n != 1 {
			t.Fatalf("stay-%05d was listed %d times", i, n)
		}
	}
}

func TestSparseFilesSayTheTruth(t *testing.T) {
	m := mount(t, spacedb.Options{})
	f, err := os.Create(m.path("f"))
	m.ok(err)
	defer f.Close()
	_, err = f.WriteAt([]byte("end"), 1<<30)
	m.ok(err)
	st := m.stat("f")
	if st.Size != 1<<30+3 || st.Blocks*512 > 1<<20 {
		t.Errorf("size %d, %d blocks", st.Size, st.Blocks)
	}
	m.ok(unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 1<<30, 3))
	p := make([]byte, 3)
	_, err = f.ReadAt(p, 1<<30)
	m.ok(err)
	if !bytes.Equal(p, make([]byte, 3)) {
		t.Errorf("the hole reads %q", p)
	}
}

func TestTimesBeforeAndAfterTheEpoch(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.write("f", "")
	for _, want := range []time.Time{time.Unix(-1234567890, 123456789), time.Unix(1<<33, 1), time.Unix(0, 0)} {
		m.ok(os.Chtimes(m.path("f"), want, want))
		info, err := os.Stat(m.path("f"))
		m.ok(err)
		if !info.ModTime().Equal(want) {
			t.Errorf("%v became %v", want, info.ModTime())
		}
	}
}

func TestXattrs(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.write("f", "")
	p := m.path("f")
	m.ok(unix.Setxattr(p, "user.b", []byte("two"), 0))
	m.ok(unix.Setxattr(p, "user.a", nil, unix.XATTR_CREATE))
	m.ok(m.store.Sync())
	buf := make([]byte, 100)
	n, err := unix.Listxattr(p, buf)
	m.ok(err)
	if string(buf[:n]) != "user.a\x00user.b\x00" {
		t.Errorf("list %q", buf[:n])
	}
	n, err = unix.Getxattr(p, "user.b", buf)
	m.ok(err)
	if string(buf[:n]) != "two" {
		t.Errorf("value %q", buf[:n])
	}
	for what, c := range map[string]struct{ got, want error }{
		"create again":   {unix.Setxattr(p, "user.b", nil, unix.XATTR_CREATE), unix.EEXIST},
		"replace absent": {unix.Setxattr(p, "user.c", nil, unix.XATTR_REPLACE), unix.ENODATA},
		"remove absent":  {unix.Removexattr(p, "user.c"), unix.ENODATA},
		"no ACL":         {getxattr(p, "system.posix_acl_access"), unix.ENODATA},
		"a capability":   {unix.Setxattr(p, "security.capability", []byte("x"), 0), unix.EINVAL},
		"no namespace":   {unix.Setxattr(p, "attribute", nil, 0), unix.EOPNOTSUPP},
		"too long":       {unix.Setxattr(p, "user."+strings.Repeat("n", 251), nil, 0), unix.ERANGE},
		"too large":      {unix.Setxattr(p, "user.large", make([]byte, 64<<10+1), 0), unix.E2BIG},
		"small buffer":   {smallBuffer(p, "user.b"), unix.ERANGE},
		"remove":         {unix.Removexattr(p, "user.b"), nil},
	} {
		if !errors.Is(c.got, c.want) && c.got != c.want {
			t.Errorf("%s: %v, want %v", what, c.got, c.want)
		}
	}
}

func getxattr(path, name string) error {
	_, err := unix.Getxattr(path, name, nil)
	return err
}

func smallBuffer(path, name string) error {
	_, err := unix.Getxattr(path, name, make([]byte, 1))
	return err
}

func TestRenameFlags(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.write("a", "a")
	m.write("b", "b")
	rename := func(from, to string, flags uint) error {
		return unix.Renameat2(unix.AT_FDCWD, m.path(from), unix.AT_FDCWD, m.path(to), flags)
	}
	if err := rename("a", "b", unix.RENAME_NOREPLACE); err != unix.EEXIST {
		t.Errorf("noreplace: %v", err)
	}
	m.ok(rename("a", "b", unix.RENAME_EXCHANGE))
	if m.read("a") != "b" || m.read("b") != "a" {
		t.Errorf("after exchange: %q %q", m.read("a"), m.read("b"))
	}
	m.ok(os.Mkdir(m.path("d"), 0o755))
	m.ok(rename("a", "d", unix.RENAME_EXCHANGE))
	if m.read("d") != "b" {
		t.Errorf("d is %q", m.read("d"))
	}
	if err := os.Rename(m.path("a"), m.path("a/x")); !errors.Is(err, unix.EINVAL) {
		t.Errorf("into itself: %v", err)
	}
}

func TestReservedNameIsRefused(t *testing.T) {
	m := mount(t, spacedb.Options{})
	if err := os.Mkdir(m.path(".space"), 0o755); !errors.Is(err, os.ErrPermission) {
		t.Errorf("mkdir .space: %v", err)
	}
}

func TestStatfsTellsTheTruth(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.write("f", string(make([]byte, 1<<20)))
	var st unix.Statfs_t
	m.ok(unix.Statfs(m.dir, &st))
	if used := (st.Blocks - st.Bfree) * uint64(st.Bsize); st.Bavail == 0 || used != 1<<20 {
		t.Errorf("%d free, %d used", st.Bavail, used)
	}
}

func TestAllocationThatCannotBeIsRefused(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.write("f", string(make([]byte, 200000)))
	f, err := os.OpenFile(m.path("f"), os.O_RDWR, 0)
	m.ok(err)
	defer f.Close()
	for what, mode := range map[string]uint32{"collapse": unix.FALLOC_FL_COLLAPSE_RANGE, "insert": unix.FALLOC_FL_INSERT_RANGE} {
		m.refused(what, unix.Fallocate(int(f.Fd()), mode, 65536, 65536), unix.EOPNOTSUPP)
	}
	m.refused("more than the disk has", unix.Fallocate(int(f.Fd()), 0, 0, 1<<43), unix.ENOSPC)
	m.refused("more than a file can be", unix.Fallocate(int(f.Fd()), 0, 1<<44, 1), unix.EFBIG)
	if size := m.stat("f").Size; size != 200000 {
		t.Errorf("the size is %d now", size)
	}
}

func TestCopiesOfDocumentsAtRestCostNoContent(t *testing.T) {
	m := mount(t, spacedb.Options{Quiet: time.Hour})
	m.write("f", strings.Repeat("0123456789abcdef", 1<<20))
	m.ok(m.store.Seal(t.Context()))
	m.ok(m.store.Sync())
	from, err := os.Open(m.path("f"))
	m.ok(err)
	defer from.Close()
	to, err := os.Create(m.path("g"))
	m.ok(err)
	defer to.Close()
	for left := 16 << 20; left > 0; {
		n, err := unix.CopyFileRange(int(from.Fd()), nil, int(to.Fd()), nil, left, 0)
		m.ok(err)
		if n == 0 {
			t.Fatal("the copy ends early")
		}
		left -= n
	}
	if dirty := m.store.Status().DirtyBytes; dirty > 1<<20 {
		t.Errorf("%d bytes wait to be written", dirty)
	}
	if m.read("g") != m.read("f") {
		t.Error("the copy is another")
	}
}

func TestFilesWithoutANameCanBeGivenOne(t *testing.T) {
	m := mount(t, spacedb.Options{})
	fd, err := unix.Open(m.dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o640)
	m.ok(err)
	f := os.NewFile(uintptr(fd), "nameless")
	_, err = f.WriteString("text")
	m.ok(err)
	m.ok(unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, m.path("f"), unix.AT_SYMLINK_FOLLOW))
	m.ok(f.Close())
	if st := m.stat("f"); m.read("f") != "text" || st.Nlink != 1 || st.Mode&0o7777 != 0o640 {
		t.Errorf("%q, %d links, mode %o", m.read("f"), st.Nlink, st.Mode)
	}
}

func TestTheLargestOffset(t *testing.T) {
	m := mount(t, spacedb.Options{})
	f, err := os.Create(m.path("f"))
	m.ok(err)
	defer f.Close()
	_, err = f.WriteAt([]byte("end"), spacedb.MaxSize-3)
	m.ok(err)
	_, err = f.WriteAt([]byte("x"), spacedb.MaxSize)
	m.refused("beyond", err, unix.EFBIG)
	if at, err := unix.Seek(int(f.Fd()), 0, unix.SEEK_DATA); err != nil || at < spacedb.MaxSize-1<<17 {
		t.Errorf("data begins at %d, %v", at, err)
	}
}

func TestHundredThousandEntriesAreListedWhileTheyChange(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.ok(os.Mkdir(m.path("d"), 0o755))
	tree := m.store.Tree(spacedb.Actor{Origin: spacedb.OriginMount}) // a hundred times faster than through the mount
	dir, err := tree.Resolve("d")
	m.ok(err)
	const many = 100_000
	for i := range many {
		_, err := tree.Mknod(dir.ID, fmt.Sprintf("stay-%06d", i), spacedb.TypeFIFO|0o644, 0, spacedb.Cred{}) // which have no history
		m.ok(err)
	}
	d, err := os.Open(m.path("d"))
	m.ok(err)
	defer d.Close()
	seen := make(map[string]bool, many)
	for i := 0; ; i++ {
		names, err := d.Readdirnames(1000)
		for _, n := range names {
			if seen[n] {
				t.Fatalf("%s was listed twice", n)
			}
			seen[n] = true
		}
		if err != nil || len(names) == 0 {
			break
		}
		come := m.path(fmt.Sprintf("d/come-%d", i))
		m.ok(os.WriteFile(come, nil, 0o644))
		m.ok(os.Rename(come, m.path(fmt.Sprintf("d/went-%d", i))))
	}
	for i := range many {
		if !seen[fmt.Sprintf("stay-%06d", i)] {
			t.Fatalf("stay-%06d was not listed", i)
		}
	}
}
