package fusefs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"spacefs/fusefs"
	"spacefs/spacedb"
)

// Some parts a test cannot play in its own process: the test binary plays them
// in another, told by this variable which.
const roleVariable = "SPACEFS_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := roles[role](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var roles = map[string]func(args []string) error{"serve": serve, "map": writeMapped, "differ": compareWorlds, "lock": tryLock, "hold": hold, "visit": visit}

// child is the test binary in another role. The kernel kills it with us.
func child(t *testing.T, role string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// mountedBy returns a child in a role that mounts a new space, once it has.
func mountedBy(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	server := child(t, role, filepath.Join(t.TempDir(), "s.space"), dir)
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the child did not mount: %v", err)
	}
	return server
}

// serve mounts a new space, says so with a line, and serves until it is killed.
func serve(args []string) error {
	store, err := spacedb.Create(args[0], spacedb.Options{})
	if err != nil {
		return err
	}
	s, err := fusefs.Mount(store, args[1], fusefs.Options{})
	if err != nil {
		return err
	}
	fmt.Println("mounted")
	s.Wait()
	return nil
}

// visit serves a mount and works in it without a pause, until it is killed.
func visit(args []string) error {
	store, err := spacedb.Create(args[0], spacedb.Options{})
	if err != nil {
		return err
	}
	tree := store.Tree(spacedb.Actor{Origin: spacedb.OriginImport})
	s, err := fusefs.Mount(store, args[1], fusefs.Options{})
	if err != nil {
		return err
	}
	fmt.Println("mounted")
	for n := 0; ; n++ { // what the kernel has never seen it asks for
		a, err := tree.Mknod(spacedb.Root, fmt.Sprint(n), spacedb.TypeRegular|0o644, 0, spacedb.Cred{})
		if err != nil {
			return err
		}
		s.Busy(a.ID)
	}
}

// writeMapped writes text into a file through a shared mapping. It must be
// another process than the one that serves: a page fault stops a thread where
// the garbage collector cannot, while the answer may need it.
func writeMapped(args []string) error {
	f, err := os.OpenFile(args[0], os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	page, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	copy(page, args[1])
	if err := unix.Msync(page, unix.MS_SYNC); err != nil {
		return err
	}
	return unix.Munmap(page)
}

// TestAsOrdinaryUser runs tests once more as somebody who is not root, and whose
// mounts fusermount3 makes.
func TestAsOrdinaryUser(t *testing.T) {
	needFUSE(t)
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: needs root to become somebody else; the other tests ran as an ordinary user already")
	}
	if _, err := exec.LookPath("fusermount3"); err != nil {
		t.Skip("SKIPPED: fusermount3 is not installed")
	}
	const nobody = 65534
	home := t.TempDir()
	for _, dir := range []string{filepath.Dir(home), home} {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	// Where /dev/fuse is root's alone, it is everybody's for this child: in a mount
	// namespace of its own it has another one in its place.
	device := filepath.Join(home, "fuse")
	if err := unix.Mknod(device, unix.S_IFCHR|0o666, int(unix.Mkdev(10, 229))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(device, 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `mount --bind "$0" /dev/fuse && exec setpriv --pdeathsig KILL "$@"`, device,
		"--reuid", fmt.Sprint(nobody), "--regid", fmt.Sprint(nobody), "--clear-groups", os.Args[0], "-test.count=1", "-test.timeout=15m", "-test.v", "-test.skip", "^Test(AsOrdinaryUser|Hundred)")
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "TMPDIR="+home, "HOME="+home, "GOCOVERDIR="+home, "SPACEFS_FUZZ_SECONDS=5")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	passed := strings.Count(string(out), "\n--- PASS")
	t.Logf("%d tests passed as uid %d", passed, nobody)
	if err != nil || passed < 10 {
		t.Fatalf("%v:\n%s", err, out)
	}
}
