package fusefs_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spacefs/fusefs"
	"spacefs/spacedb"
)

// Every way in which a program can ask for durability is heard, and nothing else
// is taken for one: with a store that commits nothing by itself.
func TestWhoeverAsksForDurabilityGetsIt(t *testing.T) {
	m := mountWith(t, spacedb.Options{Quiet: time.Hour, Delay: time.Hour}, fusefs.Options{})
	write := func(flags int, after func(fd int) error) func(path string) error {
		return func(path string) error {
			fd, err := unix.Open(path, unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC|flags, 0o644)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if _, err := unix.Write(fd, []byte("text")); err != nil {
				return err
			}
			return after(fd)
		}
	}
	nothing := func(int) error { return nil }
	onDir := func(change func(path string) error) func(path string) error {
		return func(path string) error {
			if err := change(path); err != nil {
				return err
			}
			fd, err := unix.Open(filepath.Dir(path), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Fsync(fd)
		}
	}
	for _, way := range []struct {
		name    string
		do      func(path string) error
		durable bool
	}{
		{"write", write(0, nothing), false},
		{"fsync", write(0, unix.Fsync), true},
		{"fdatasync", write(0, unix.Fdatasync), true},
		{"O_SYNC", write(unix.O_SYNC, nothing), true},
		{"O_DSYNC", write(unix.O_DSYNC, nothing), true},
		{"fsync of the directory after mkdir", onDir(func(p string) error { return os.Mkdir(p, 0o755) }), true},
		{"fsync of the directory after rename", onDir(func(p string) error {
			if err := os.WriteFile(p+".new", []byte("text"), 0o644); err != nil {
				return err
			}
			return os.Rename(p+".new", p)
		}), true},
	} {
		t.Run(way.name, func(t *testing.T) {
			if err := way.do(filepath.Join(m.dir, way.name)); err != nil {
				t.Fatal(err)
			}
			if st := m.store.Status(); (st.DurableSeq == st.Seq) != way.durable {
				t.Errorf("durable up to operation %d of %d", st.DurableSeq, st.Seq)
			}
		})
	}
}

// What nobody asks for is durable soon all the same.
func TestIdleDataBecomesDurableUnasked(t *testing.T) {
	m := mountWith(t, spacedb.Options{Quiet: time.Hour}, fusefs.Options{})
	if err := os.WriteFile(filepath.Join(m.dir, "idle"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	written := time.Now()
	for m.store.Status().DurableSeq < m.store.Status().Seq {
		if time.Since(written) > 20*time.Second { // a second, on a machine that is not overrun
			t.Fatal("it never is")
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Logf("durable after %v", time.Since(written))
}
