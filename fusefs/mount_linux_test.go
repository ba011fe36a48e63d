package fusefs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spacefs/fusefs"
	"spacefs/spacedb"
)

// mounted is a space on a real mount. When the test ends it is unmounted,
// checked and closed.
type mounted struct {
	*testing.T
	store  *spacedb.Store
	server *fusefs.Server
	dir    string
}

func mount(t *testing.T, o spacedb.Options) *mounted {
	return mountWith(t, o, fusefs.Options{})
}

func mountWith(t *testing.T, o spacedb.Options, mo fusefs.Options) *mounted {
	t.Helper()
	needFUSE(t)
	syscall.Umask(0)
	store, err := spacedb.Create(filepath.Join(t.TempDir(), "test.space"), o)
	if err != nil {
		t.Fatal(err)
	}
	m := &mounted{T: t, store: store, dir: t.TempDir()}
	t.Cleanup(m.close)
	mo.FsName = store.File()
	if m.server, err = fusefs.Mount(store, m.dir, mo); err != nil {
		t.Fatal(err)
	}
	store.SetBusy(m.server.Busy)
	return m
}

func needFUSE(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		if os.Getenv("SPACEFS_MUST_RUN") != "" {
			t.Fatal("this must run, and there is no /dev/fuse")
		}
		t.Skip("SKIPPED: there is no /dev/fuse on this machine")
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: needs root")
	}
}

func (m *mounted) close() {
	if m.server != nil {
		m.unmount()
	}
	findings, err := m.store.Check(context.Background())
	if err != nil {
		m.Errorf("check: %v", err)
	}
	for _, f := range findings {
		m.Errorf("check: %s", f)
	}
	if err := m.store.Close(); err != nil {
		m.Errorf("close: %v", err)
	}
}

func (m *mounted) unmount() {
	m.Helper()
	if err := m.server.Unmount(); err != nil {
		m.Errorf("unmount: %v", err)
		_ = m.server.Detach()
	}
	m.server.Wait()
	m.server = nil
}

func (m *mounted) path(name string) string { return filepath.Join(m.dir, name) }

func (m *mounted) ok(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

func (m *mounted) refused(what string, got error, want syscall.Errno) {
	m.Helper()
	if !errors.Is(got, want) {
		m.Errorf("%s: %v, want %v", what, got, want)
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

func (m *mounted) stat(name string) (st unix.Stat_t) {
	m.Helper()
	m.ok(unix.Lstat(m.path(name), &st))
	return st
}

// place puts a document into the space from behind.
func (m *mounted) place(path, text string) {
	m.Helper()
	tree := m.behind()
	st := tree.Stage()
	defer st.Discard()
	_, err := st.Write([]byte(text))
	m.ok(err)
	_, err = tree.Place(path, spacedb.Guard{}, st, 0o644, 1)
	if errors.Is(err, spacedb.ErrChanged) {
		_, err = tree.Place(path, spacedb.Guard{Absent: true}, st, 0o644, 1)
	}
	m.ok(err)
}

// behind is the tree as a sync sees it.
func (m *mounted) behind() *spacedb.Tree {
	return m.store.Tree(spacedb.Actor{Origin: spacedb.OriginSync})
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// mountLine is what the kernel says of a mount point, "" if it is none.
func mountLine(t *testing.T, dir string) string {
	table, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 3 && f[1] == dir {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func TestMountTableNamesTheSpace(t *testing.T) {
	m := mount(t, spacedb.Options{})
	f := strings.Fields(mountLine(t, m.dir))
	if len(f) < 4 || f[0] != m.store.File() || f[2] != "fuse.spacefs" {
		t.Fatalf("mounted as %q", f)
	}
	for _, option := range []string{"rw", "nosuid", "nodev", "noatime", "default_permissions"} {
		if !strings.Contains(","+f[3]+",", ","+option+",") {
			t.Errorf("%s is not among the options %s", option, f[3])
		}
	}
	m.unmount()
	if line := mountLine(t, m.dir); line != "" {
		t.Errorf("after unmounting there is %s", line)
	}
}

func TestMountRefusesWhatIsNoDirectory(t *testing.T) {
	needFUSE(t)
	store, err := spacedb.Create(filepath.Join(t.TempDir(), "s.space"), spacedb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(t.TempDir(), "absent"), file} {
		s, err := fusefs.Mount(store, dir, fusefs.Options{})
		if err == nil {
			t.Errorf("mounted at %s", s.Dir())
			_ = s.Unmount()
		} else if !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "\n") {
			t.Errorf("not one clear line: %q", err)
		}
	}
}

func TestReadOnlyMountsRefuseEveryChange(t *testing.T) {
	m := mountWith(t, spacedb.Options{}, fusefs.Options{ReadOnly: true})
	m.place("f", "text")
	if m.read("f") != "text" {
		t.Error("it cannot be read")
	}
	m.refused("write", os.WriteFile(m.path("f"), nil, 0o644), unix.EROFS)
	m.refused("mkdir", os.Mkdir(m.path("d"), 0o755), unix.EROFS)
	m.refused("remove", os.Remove(m.path("f")), unix.EROFS)
	m.refused("chmod", os.Chmod(m.path("f"), 0), unix.EROFS)
}

func TestBusyMountsStayAsTheyAre(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.write("f", "text")
	f, err := os.Open(m.path("f"))
	m.ok(err)
	if err := m.server.Unmount(); !errors.Is(err, fusefs.ErrBusy) {
		t.Errorf("unmount: %v", err)
	}
	m.write("g", "still works")
	m.ok(f.Close())
}

func TestDetachedMountsServeWhoIsInside(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.write("f", "text")
	f, err := os.OpenFile(m.path("f"), os.O_RDWR, 0)
	m.ok(err)
	m.ok(m.server.Detach())
	if mountLine(t, m.dir) != "" {
		t.Error("it is still in sight")
	}
	_, err = f.WriteString("TEXT")
	m.ok(err)
	m.ok(f.Sync())
	m.ok(f.Close())
	m.server.Wait()
	m.server = nil
}

func TestUnmountedByOthersIsNoticed(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.write("f", "text")
	// Another test's process may hold a copy of our files for a moment: between
	// its fork and exec.
	eventually(t, "fusermount3 -u", func() bool { return exec.Command("fusermount3", "-u", m.dir).Run() == nil })
	m.server.Wait()
	m.server = nil
}

func TestNoChildInheritsTheMount(t *testing.T) {
	m := mount(t, spacedb.Options{})
	out, err := exec.Command("ls", "-l", "/proc/self/fd").CombinedOutput()
	m.ok(err)
	if strings.Contains(string(out), "/dev/fuse") {
		t.Errorf("a child holds the mount:\n%s", out)
	}
}

// TestDeadMountsAreHealed kills a process that serves a mount.
func TestDeadMountsAreHealed(t *testing.T) {
	needFUSE(t)
	dir := t.TempDir()
	if healed, err := fusefs.Heal(dir); healed || err != nil {
		t.Fatalf("a plain directory: %v %v", healed, err)
	}
	for range 2 { // the second on top of the first would be a mount on a dead one
		server := mountedBy(t, "serve", dir)
		if healed, err := fusefs.Heal(dir); healed || err != nil {
			t.Fatalf("a living mount: %v %v", healed, err)
		}
		_ = server.Process.Kill()
		_ = server.Wait()
		if _, err := os.ReadDir(dir); !errors.Is(err, unix.ENOTCONN) {
			t.Fatalf("the killed mount says %v", err)
		}
		if healed, err := fusefs.Heal(dir); !healed || err != nil {
			t.Fatalf("a dead mount: %v %v", healed, err)
		}
		if _, err := os.ReadDir(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// A process that is killed while it works inside its own mount ends, and the
// mount with it.
func TestAKilledServerThatIsInItsMountEnds(t *testing.T) {
	needFUSE(t)
	dir := t.TempDir()
	for round := range 25 {
		server := mountedBy(t, "visit", dir)
		time.Sleep(time.Duration(round) * 500 * time.Microsecond) // to be caught at another step each time
		ended := make(chan struct{})
		go func() {
			_ = server.Process.Kill()
			_ = server.Wait()
			close(ended)
		}()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			where := threads(server.Process.Pid)
			_ = unix.Unmount(dir, unix.MNT_FORCE)
			t.Fatalf("round %d: killed 20 s ago, and still there:\n%s", round, where)
		}
		if healed, err := fusefs.Heal(dir); !healed || err != nil {
			t.Fatalf("a dead mount: %v %v", healed, err)
		}
	}
}

// threads says where in the kernel a process's threads are.
func threads(pid int) (all string) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, task := range tasks {
		stat, _ := os.ReadFile(task + "/stat")
		stack, _ := os.ReadFile(task + "/stack") // root may see it
		all += fmt.Sprintf("%.40s\n%s", stat, stack)
	}
	return all
}

// SPACEFS_MOUNTS is how many; `make soak` takes 1000.
func TestMountsLeaveNothingBehind(t *testing.T) {
	needFUSE(t)
	rounds := 60
	if n, err := strconv.Atoi(os.Getenv("SPACEFS_MOUNTS")); err == nil {
		rounds = n
	}
	space, dir := filepath.Join(t.TempDir(), "s.space"), t.TempDir()
	store, err := spacedb.Create(space, spacedb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	var early usage
	for i := range rounds {
		mountOnce(t, space, dir, i)
		if i == rounds/4 { // what is made once is made by now
			early = used(t)
		}
	}
	late := used(t)
	left := func() bool { // threads are kept for later, and how many depends on who was kept waiting
		return late.files > early.files || late.goroutines > early.goroutines || late.threads > early.threads+rounds/2 || late.heap > early.heap+1<<20
	}
	// What the last one started ends on its own, a little later.
	for deadline := time.Now().Add(20 * time.Second); left() && time.Now().Before(deadline); late = used(t) {
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("after %d mounts %+v, after %d %+v", rounds/4, early, rounds, late)
	if left() {
		t.Error("something is left of each mount")
	}
}

// mountOnce is a mount's whole life, with a change from behind and one that is
// watched.
func mountOnce(t *testing.T, space, dir string, i int) {
	t.Helper()
	store, err := spacedb.Open(space, spacedb.Options{Quiet: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s, err := fusefs.Mount(store, dir, fusefs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store.SetBusy(s.Busy)
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i%3)), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Tree(spacedb.Actor{Origin: spacedb.OriginSync}).PlaceDir(fmt.Sprint("d", i), spacedb.Guard{Absent: true}, 0o755, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Unmount(); err != nil {
		t.Fatal(err)
	}
	s.Wait()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

// usage is what this process uses.
type usage struct {
	files, goroutines, threads int
	heap                       uint64 // bytes
}

func used(t *testing.T) (u usage) {
	runtime.GC()
	runtime.GC() // what has a finalizer goes in the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	// What the last mount started ends on its own, a little later.
	for last := -1; last != runtime.NumGoroutine(); time.Sleep(50 * time.Millisecond) {
		last = runtime.NumGoroutine()
	}
	return usage{openFiles(t), runtime.NumGoroutine(), len(tasks), m.HeapAlloc}
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
