package fusefs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"spacefs/spacedb"
)

func TestWhoHasWaitedForTheKernelSeesWhatIsThere(t *testing.T) {
	m := mount(t, spacedb.Options{})
	for i := range 200 {
		text := fmt.Sprint("text ", i)
		m.place("f", text)
		m.ok(m.server.CatchUp(context.Background()))
		if got := m.read("f"); got != text {
			t.Fatalf("%q is seen, not %q", got, text)
		}
	}
}

// A kernel that takes no notification, because somebody is in the directory, keeps
// nobody waiting for longer than they like.
func TestAKernelThatIsHeldUpIsNotWaitedForForEver(t *testing.T) {
	m := mount(t, spacedb.Options{})
	letGo := m.changedWhileHeldUp()
	if got := m.read("d/f"); got != "old" {
		t.Errorf("%q is seen while the kernel is held up", got)
	}
	letGo()
	m.ok(m.server.CatchUp(context.Background()))
	if got := m.read("d/f"); got != "new" {
		t.Errorf("%q is seen", got)
	}
}

func TestNobodyWaitsForAMountThatEnds(t *testing.T) {
	needRoot(t) // to force it
	m := mount(t, spacedb.Options{})
	letGo := m.changedWhileHeldUp()
	waiting := make(chan error)
	go func() { waiting <- m.server.CatchUp(context.Background()) }()
	_ = unix.Unmount(m.dir, unix.MNT_FORCE) // it is in use, and stays, but is cut off from us
	m.ok(<-waiting)
	letGo()
	s := m.server
	m.unmount()
	m.place("d/f", "newer")
	m.ok(s.CatchUp(context.Background()))
}

// changedWhileHeldUp changes d/f from behind, and has the notifier wait for who is
// in d.
func (m *mounted) changedWhileHeldUp() (letGo func()) {
	m.Helper()
	m.ok(os.Mkdir(m.path("d"), 0o755))
	m.write("d/f", "old")
	m.read("d/f")
	letGo = heldUp(m.T, m.path("d"))
	m.place("d/f", "new")
	soon, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := m.server.CatchUp(soon); !errors.Is(err, context.DeadlineExceeded) {
		m.Errorf("the directory is held, and yet: %v", err)
	}
	return letGo
}

// heldUp lets somebody read a directory who does not get on: the listing goes
// into memory that is not there yet (userfaultfd(2)). Meanwhile no name in the
// directory can change.
func heldUp(t *testing.T, dir string) (letGo func()) {
	t.Helper()
	const (
		apiCall, register = 0xc018aa3f, 0xc020aa00 // UFFDIO_API, UFFDIO_REGISTER
		version, missing  = 0xaa, 1
	)
	fault, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0)
	if errno != 0 {
		if os.Getenv("SPACEFS_MUST_RUN") != "" && os.Getuid() == 0 {
			t.Fatal("userfaultfd: ", errno)
		}
		t.Skip("SKIPPED: userfaultfd: ", errno)
	}
	call := func(request uintptr, args ...uint64) {
		t.Helper()
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fault, request, uintptr(unsafe.Pointer(&args[0]))); errno != 0 {
			t.Fatal("userfaultfd: ", errno)
		}
	}
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	call(apiCall, version, 0, 0)
	call(register, uint64(uintptr(unsafe.Pointer(&page[0]))), uint64(len(page)), missing, 0)
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error)
	go func() {
		_, err := unix.Getdents(fd, page)
		read <- err
	}()
	// It says when somebody waits.
	if _, err := unix.Read(int(fault), make([]byte, 32)); err != nil {
		t.Fatal("userfaultfd: ", err)
	}
	held := true
	letGo = func() {
		if !held {
			return
		}
		held = false
		unix.Close(int(fault))
		if err := <-read; err != nil {
			t.Errorf("read the directory: %v", err)
		}
		unix.Close(fd)
		_ = unix.Munmap(page)
	}
	t.Cleanup(letGo)
	return letGo
}
