package fusefs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/posixtest"
	"golang.org/x/sys/unix"

	"spacefs/fusefs"
	"spacefs/spacedb"
)

// mounted is a space on a real mount; when the test ends it is unmounted and
// checked.
type mounted struct {
	*testing.T
	store  *spacedb.Store
	server *fusefs.Server
	dir    string
}

func mount(t *testing.T, o spacedb.Options) *mounted {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		if os.Getenv("SPACEFS_MUST_RUN") != "" {
			t.Fatal("this must run, and there is no /dev/fuse")
		}
		t.Skip("SKIPPED: there is no /dev/fuse on this machine")
	}
	syscall.Umask(0)
	store, err := spacedb.Create(filepath.Join(t.TempDir(), "test.space"), o)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	server, err := fusefs.Mount(store, dir, fusefs.Options{FsName: store.File()})
	if err != nil {
		t.Fatal(err)
	}
	store.SetBusy(server.Busy)
	m := &mounted{t, store, server, dir}
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Errorf("unmount: %v", err)
			server.Detach()
		}
		server.Wait()
		findings, err := store.Check(context.Background())
		if err != nil {
			t.Errorf("check: %v", err)
		}
		for _, f := range findings {
			t.Errorf("check: %s", f)
		}
		if err := store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return m
}

func (m *mounted) path(name string) string { return filepath.Join(m.dir, name) }

func (m *mounted) ok(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

func (m *mounted) write(name, text string) {
	m.Helper()
	m.ok(os.WriteFile(m.path(name), []byte(text), 0o644))
}

func (m *mounted) read(name string) string {
	m.Helper()
	b, err := os.ReadFile(m.path(name))
	m.ok(err)
	return string(b)
}

func TestPosix(t *testing.T) {
	// What our answers to OPEN and FLUSH cannot give, and why.
	excluded := map[string]string{
		"FcntlFlockLocksFile": "it expects POSIX locks of one process to conflict; they do not on any filesystem",
	}
	for name, fn := range posixtest.All {
		t.Run(name, func(t *testing.T) {
			if why, ok := excluded[name]; ok {
				t.Skip(why)
			}
			fn(t, mount(t, spacedb.Options{}).dir)
		})
	}
}

func TestWarmReadsCostNoRequests(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.write("f", "text")
	m.read("f")
	before := m.requests()
	for range 10 {
		if m.read("f") != "text" {
			t.Fatal("other text")
		}
		_, err := os.Stat(m.path("f"))
		m.ok(err)
		_, err = os.Stat(m.path("absent"))
		if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	// The first look at an absent name is one LOOKUP, and the directory's mode is
	// asked for once after it changed.
	if n := m.requests() - before; n > 2 {
		t.Errorf("%d requests: %v", n, m.server.Requests())
	}
}

func (m *mounted) requests() (n int64) {
	for _, c := range m.server.Requests() {
		n += c.Count
	}
	return n
}

func TestRequestsPerOperation(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.write("warm-up", "")
	steps := []struct {
		name string
		most int64
		do   func() error
	}{
		{"create a 4 KiB file", 5, func() error { return os.WriteFile(m.path("f"), make([]byte, 4096), 0o644) }},
		{"stat it", 2, func() error { _, err := os.Stat(m.path("f")); return err }},
		{"stat it again", 0, func() error { _, err := os.Stat(m.path("f")); return err }},
		{"rename it", 3, func() error { return os.Rename(m.path("f"), m.path("g")) }},
		{"unlink it", 3, func() error { return os.Remove(m.path("g")) }},
	}
	for _, s := range steps {
		before := m.requests()
		m.ok(s.do())
		n := m.requests() - before
		t.Logf("%-22s %d requests", s.name, n)
		if n > s.most {
			t.Errorf("%s takes %d requests, more than %d: %v", s.name, n, s.most, m.server.Requests())
		}
	}
}

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
	f, err := os.OpenFile(m.path("f"), os.O_RDWR, 0)
	m.ok(err)
	defer f.Close()
	page, err := unix.Mmap(int(f.Fd()), 0, 10, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	m.ok(err)
	copy(page, "mapped")
	m.ok(unix.Msync(page, unix.MS_SYNC))
	m.ok(unix.Munmap(page))
	a, err := m.store.Tree(spacedb.Actor{Origin: spacedb.OriginCLI}).Resolve("f")
	m.ok(err)
	p := make([]byte, 10)
	_, err = m.store.Tree(spacedb.Actor{}).ReadAt(a.ID, p, 0)
	m.ok(err)
	if string(p) != "mapped6789" {
		t.Errorf("the store has %q", p)
	}
}

func TestSetgidDirectoriesPassTheirGroupOn(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.ok(os.Mkdir(m.path("d"), 0o755))
	m.ok(os.Chown(m.path("d"), 0, 1234))
	m.ok(unix.Chmod(m.path("d"), 0o2775))
	m.write("d/f", "")
	m.ok(os.Mkdir(m.path("d/sub"), 0o755))
	for name, setgid := range map[string]bool{"d/f": false, "d/sub": true} {
		var st unix.Stat_t
		m.ok(unix.Stat(m.path(name), &st))
		if st.Gid != 1234 || (st.Mode&0o2000 != 0) != setgid {
			t.Errorf("%s: gid %d, mode %o", name, st.Gid, st.Mode)
		}
	}
}

func TestWritingTakesSetIDAway(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.write("f", "x")
	m.ok(unix.Chmod(m.path("f"), 0o6755))
	m.ok(os.Chown(m.path("f"), 7, 7))
	var st unix.Stat_t
	m.ok(unix.Stat(m.path("f"), &st))
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
	var st unix.Stat_t
	m.ok(unix.Stat(m.path("f"), &st))
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
		"an ACL":         {getxattr(p, "system.posix_acl_access"), unix.EOPNOTSUPP},
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

func TestChangesFromBehindAreSeenAndWatched(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.write("f", "old")
	m.read("f")
	os.Stat(m.path("new"))
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	m.ok(err)
	defer unix.Close(watch)
	_, err = unix.InotifyAddWatch(watch, m.dir, unix.IN_ATTRIB|unix.IN_CLOSE_WRITE)
	m.ok(err)

	tr := m.store.Tree(spacedb.Actor{Origin: spacedb.OriginSync})
	for _, name := range []string{"f", "new"} {
		st := tr.Stage()
		_, err := st.Write([]byte("from behind"))
		m.ok(err)
		_, err = tr.Place(name, spacedb.Guard{Absent: name == "new"}, st, 0o644, 1)
		m.ok(err)
	}
	eventually(t, "content seen", func() bool { return m.try("f") == "from behind" && m.try("new") == "from behind" })
	buf := make([]byte, 4096)
	eventually(t, "an inotify event", func() bool { n, _ := unix.Read(watch, buf); return n > 0 })
	m.ok(m.store.Seal(context.Background()))
	list, err := m.store.History("f")
	m.ok(err)
	if len(list) != 1 {
		t.Errorf("the poke made a revision: %+v", list)
	}
}

func (m *mounted) try(name string) string {
	b, _ := os.ReadFile(m.path(name))
	return string(b)
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestDocumentsOpenForWritingAreNotSealed(t *testing.T) {
	m := mount(t, spacedb.Options{Quiet: 20 * time.Millisecond})
	f, err := os.Create(m.path("f"))
	m.ok(err)
	_, err = f.WriteString("half")
	m.ok(err)
	m.write("other", "whole")
	eventually(t, "other sealed", func() bool { l, _ := m.store.History("other"); return len(l) == 1 })
	if l, _ := m.store.History("f"); len(l) != 0 {
		t.Errorf("sealed while open: %+v", l)
	}
	_, err = f.WriteString(" and whole")
	m.ok(err)
	m.ok(f.Close())
	eventually(t, "f sealed", func() bool { l, _ := m.store.History("f"); return len(l) == 1 && l[0].Size == 14 })
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

// TestDifferential does the same random operations on the mount and on a plain
// directory and compares what every call says, and the trees.
func TestDifferential(t *testing.T) {
	seed := seedOf(t)
	m := mount(t, spacedb.Options{Quiet: 10 * time.Millisecond, Delay: 5 * time.Millisecond, Nodes: 20})
	plain := t.TempDir()
	r := newActions(seed)
	for i := range 3000 {
		a := r.next()
		got, want := a.do(m.dir), a.do(plain)
		if got != want {
			t.Fatalf("seed %d, step %d: %s: mount says %s, a plain directory %s", seed, i, a, got, want)
		}
		if i%500 == 499 {
			if g, w := list(t, m.dir), list(t, plain); g != w {
				t.Fatalf("seed %d, after step %d (%s) the trees differ:\n%s\n--- plain\n%s", seed, i, a, g, w)
			}
		}
	}
}

func list(t *testing.T, root string) string {
	var lines []string
	err := filepath.Walk(root, func(p string, info os.FileInfo, err error) error {
		if err != nil || p == root {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		line := fmt.Sprintf("%s %v", rel, info.Mode())
		switch {
		case info.Mode().IsRegular():
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d %x n%d", len(b), fnvSum(b), info.Sys().(*syscall.Stat_t).Nlink)
		case info.Mode()&os.ModeSymlink != 0:
			target, _ := os.Readlink(p)
			line += " -> " + target
		case info.IsDir():
			line += fmt.Sprintf(" n%d", info.Sys().(*syscall.Stat_t).Nlink)
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(lines)
	var b bytes.Buffer
	for _, l := range lines {
		fmt.Fprintln(&b, l)
	}
	return b.String()
}
