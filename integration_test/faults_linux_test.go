package integration_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spacefs/spacedb"
)

// What a program is told when the disk under the space is full or broken, and
// what is left when it is well again: everything that was accepted.
func TestDiskFullOrBrokenIsToldAndNothingIsDropped(t *testing.T) {
	for _, errno := range []syscall.Errno{unix.ENOSPC, unix.EIO} {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) {
			disk, store, server := onDisk(t, 5*time.Second) // the test commits, unless it is held up for so long
			at := func(name string) string { return filepath.Join(server.Dir(), name) }
			ok := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			ok(os.WriteFile(at("before"), []byte("before"), 0o644))
			ok(syncPath(at("before")))

			ok(disk.refuse(errno))
			ok(os.WriteFile(at("during"), []byte("during"), 0o644)) // memory takes it
			if err := syncPath(at("during")); !errors.Is(err, errno) {
				t.Errorf("fsync says %v", err)
			}
			if err := os.Mkdir(at("refused"), 0o755); !errors.Is(err, errno) {
				t.Errorf("mkdir says %v", err)
			}
			if err := os.WriteFile(at("before"), []byte("changed"), 0o644); !errors.Is(err, errno) {
				t.Errorf("write says %v", err)
			}
			if store.Status().Trouble == "" {
				t.Error("the status says that all is well")
			}
			for _, name := range []string{"before", "during"} {
				if text, err := os.ReadFile(at(name)); err != nil || string(text) != name {
					t.Errorf("%s reads %q (%v)", name, text, err)
				}
			}

			ok(disk.refuse(0))
			recovered := false
			for deadline := time.Now().Add(30 * time.Second); !recovered && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
				recovered = os.Mkdir(at("after"), 0o755) == nil
			}
			if !recovered || store.Status().Trouble != "" {
				t.Fatalf("it does not recover: %s", store.Status().Trouble)
			}
			ok(syncPath(at("after")))

			image := t.TempDir()
			ok(disk.cut(1, "everything", image))
			left, err := spacedb.Open(filepath.Join(image, "test.space"), spacedb.Options{})
			ok(err)
			defer left.Close()
			if findings, err := left.Check(t.Context()); err != nil || len(findings) > 0 {
				t.Errorf("check: %v %v", findings, err)
			}
			for _, name := range []string{"before", "during", "after"} {
				if _, err := left.Tree(spacedb.Actor{}).Resolve(name); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if _, err := left.Tree(spacedb.Actor{}).Resolve("refused"); !errors.Is(err, spacedb.ErrNotFound) {
				t.Errorf("what was refused is there: %v", err)
			}
		})
	}
}

// The same, with one call refused: each write and each sync that a save comes to,
// in turn. Whoever is told tries again, and is then told the truth.
func TestWhicheverCallTheDiskRefusesNothingIsDropped(t *testing.T) {
	for _, errno := range []syscall.Errno{unix.ENOSPC, unix.EIO} {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) {
			disk, store, server := onDisk(t, soon)
			ok := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			// until does something until it is done; all that may stop it is the disk.
			until := func(do func() error) (told bool) {
				t.Helper()
				for deadline := time.Now().Add(20 * time.Second); ; {
					err := do()
					if err == nil {
						return told
					}
					if !errors.Is(err, errno) || time.Now().After(deadline) {
						t.Fatal(err)
					}
					told = true
				}
			}
			rng := seeded(t)
			saved := map[string][]byte{}
			told, walked, refusals := 0, 0, 0
			for unrefused := 0; unrefused < 3; walked++ {
				name := fmt.Sprint("note", walked%7)
				text := make([]byte, 1+rng.Intn(150_000))
				rng.Read(text)
				ok(disk.refuseOnce(errno, walked+1))
				writing := until(func() error { return os.WriteFile(filepath.Join(server.Dir(), name), text, 0o644) })
				syncing := until(func() error { return syncPath(filepath.Join(server.Dir(), name)) })
				if writing || syncing {
					told++
				}
				saved[name] = text
				refused, err := disk.refused()
				ok(err)
				unrefused++ // three in a row: a save has no more calls than this
				if refused {
					unrefused = 0
					refusals++
				}
				ok(disk.refuse(0))
			}
			// How many of them a program is told of is a matter of chance: a commit
			// that nobody waits for is tried again, and a checkpoint is put off.
			t.Logf("%d calls refused in %d saves, of which %d were told", refusals, walked, told)
			if refusals < 5 || told == 0 {
				t.Errorf("%d calls refused and %d saves told: this tries nothing", refusals, told)
			}
			// What was refused last may have been a commit that nobody waited for.
			for deadline := time.Now().Add(30 * time.Second); store.Status().Trouble != ""; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("there is still trouble: %s", store.Status().Trouble)
				}
			}
			image := t.TempDir()
			ok(disk.cut(1, "everything", image))
			left, err := spacedb.Open(filepath.Join(image, "test.space"), spacedb.Options{})
			ok(err)
			defer left.Close()
			if findings, err := left.Check(t.Context()); err != nil || len(findings) > 0 {
				t.Errorf("check: %v %v", findings, err)
			}
			for name, text := range saved {
				content, _, err := left.OpenRevision(name, "")
				ok(err)
				if got, err := io.ReadAll(content); err != nil || !bytes.Equal(got, text) {
					t.Errorf("%s has %d bytes that are not those which were saved (%v)", name, len(got), err)
				}
				ok(content.Close())
			}
		})
	}
}

func syncPath(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fsync(fd)
}
