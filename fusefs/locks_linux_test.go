package fusefs_test

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"spacefs/spacedb"
)

// Locks are the kernel's alone: they hold between processes, survive a fork, and
// are gone with whoever held them.

// tryLock is another process that asks for a lock and says "locked" or "refused".
func tryLock(args []string) error {
	f, err := os.OpenFile(args[1], os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	switch args[0] {
	case "flock":
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	case "fcntl":
		err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: 10, Len: 10})
	}
	switch err {
	case nil:
		fmt.Print("locked")
	case unix.EAGAIN, unix.EACCES:
		fmt.Print("refused")
	default:
		return err
	}
	return nil
}

func TestLocksHoldBetweenProcesses(t *testing.T) {
	m := mount(t, spacedb.Options{})
	m.write("f", "0123456789012345678901234567890")
	ask := func(kind, want string) {
		t.Helper()
		out, err := child(t, "lock", kind, m.path("f")).Output()
		m.ok(err)
		if string(out) != want {
			t.Errorf("%s: %s, want %s", kind, out, want)
		}
	}
	f, err := os.OpenFile(m.path("f"), os.O_RDWR, 0)
	m.ok(err)
	m.ok(unix.Flock(int(f.Fd()), unix.LOCK_EX))
	ask("flock", "refused")
	ask("fcntl", "locked") // they do not know each other

	// A forked process holds the lock together with us, until the last of us lets go.
	heir := child(t, "hold")
	heir.ExtraFiles = []*os.File{f}
	end, err := heir.StdinPipe()
	m.ok(err)
	m.ok(heir.Start())
	m.ok(f.Close())
	ask("flock", "refused")
	m.ok(end.Close())
	m.ok(heir.Wait())
	ask("flock", "locked")

	// A record lock goes with any close of the file by its process, as POSIX has it.
	f, err = os.OpenFile(m.path("f"), os.O_RDWR, 0)
	m.ok(err)
	defer f.Close()
	lock := &unix.Flock_t{Type: unix.F_WRLCK, Start: 0, Len: 15}
	m.ok(unix.FcntlFlock(f.Fd(), unix.F_SETLK, lock))
	ask("fcntl", "refused")
	lock.Len = 10 // not what is asked for
	m.ok(unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_UNLCK, Start: 10, Len: 5}))
	ask("fcntl", "locked")
	m.ok(unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}))
	again, err := os.Open(m.path("f"))
	m.ok(err)
	m.ok(again.Close())
	ask("fcntl", "locked")
}

// hold keeps what it inherited until its input ends.
func hold([]string) error {
	_, err := os.Stdin.Read(make([]byte, 1))
	if err != nil && err.Error() == "EOF" {
		err = nil
	}
	return err
}
