package integration_test

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// However a mount ends, what was in it reaches the mirror.
func TestEveryWayToUnmountSyncsTheMirror(t *testing.T) {
	needFUSE(t)
	needProgram(t, "fusermount3", "umount")
	for name, end := range map[string]func(b *bench, pid int){
		"spacefs unmount": func(b *bench, _ int) { b.unmount() },
		"fusermount3 -u":  func(b *bench, _ int) { b.sh("fusermount3 -u mnt") },
		"umount":          func(b *bench, _ int) { must(b.T, os.Getuid() == 0, "root"); b.sh("umount mnt") },
		"SIGINT":          func(b *bench, pid int) { b.ok(syscall.Kill(pid, syscall.SIGINT)) },
		"SIGTERM":         func(b *bench, pid int) { b.ok(syscall.Kill(pid, syscall.SIGTERM)) },
		"SIGTERM while somebody is inside": func(b *bench, pid int) {
			fd, err := unix.Open(b.path("mnt"), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			b.ok(err)
			b.ok(syscall.Kill(pid, syscall.SIGTERM))
			b.eventually("out of sight", func() bool { return !mountedAt(b.path("mnt")) })
			b.ok(unix.Close(fd)) // only now it can end
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.mkdir("mirror")
			b.mount("--create", "--mirror", "mirror", "docs.space")
			b.ok(os.WriteFile(b.path("mnt", "note.md"), []byte("written last"), 0o644))
			pid := b.status("docs.space").PID
			end(b, pid)
			b.eventually("the daemon ends", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
			if text, err := os.ReadFile(b.path("mirror", "note.md")); string(text) != "written last" {
				t.Errorf("the mirror has %q (%v)", text, err)
			}
			b.sound("docs.space")
			if _, err := os.Stat(b.path("docs.space.lock")); err == nil {
				t.Error("the lock file was left behind")
			}
		})
	}
}

func (b *bench) eventually(what string, done func() bool) {
	b.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("never: %s", what)
		}
	}
}

// In front, a mount says where it is and ends with its final sync's report.
func TestMountInFront(t *testing.T) {
	needFUSE(t)
	b := newBench(t)
	b.mkdir("mirror")
	b.mkdir("mnt")
	cmd := b.command("mount", "-f", "--create", "--mirror", "mirror", "docs.space", "mnt")
	var errs strings.Builder
	cmd.Stderr = &errs
	b.ok(cmd.Start())
	b.eventually("mounted", func() bool { return mountedAt(b.path("mnt")) })
	b.ok(os.WriteFile(b.path("mnt", "note.md"), []byte("x"), 0o644))
	b.ok(cmd.Process.Signal(syscall.SIGINT))
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, errs.String())
	}
	if out := errs.String(); !strings.Contains(out, "mounted docs.space at mnt") || !strings.Contains(out, "synced ") {
		t.Errorf("it says %q", out)
	}
	b.sh("cmp <(printf x) mirror/note.md")
	b.sound("docs.space")
}

// SIGTERM ends a mount that programs go on writing in. Whatever they were told
// is done is in the space.
func TestSIGTERMUnderLoadKeepsWhatWasDone(t *testing.T) {
	needFUSE(t)
	b := newBench(t)
	b.mkdir("mirror")
	b.mkdir("done")
	b.mount("--create", "--mirror", "mirror", "docs.space")
	pid := b.status("docs.space").PID
	for i := range 4 { // each works inside, so that the mount stays in use
		b.background(fmt.Sprintf("writer%d", i), "bash", "-c", fmt.Sprintf(`cd mnt; for n in $(seq 1000000); do
			echo $n >> log%[1]d && echo $n > new%[1]d && mv new%[1]d current%[1]d && echo $n > %[2]s/%[1]d || exit; done`, i, b.path("done")))
	}
	for i := range 4 {
		b.eventually("the writers write", func() bool {
			return lastNumber(b.path("done", fmt.Sprint(i))) > 10 || b.holds(fmt.Sprint("writer", i, ".err"), ":")
		})
		if b.holds(fmt.Sprint("writer", i, ".err"), ":") {
			t.Fatalf("a writer failed: %s", b.text(fmt.Sprint("writer", i, ".err")))
		}
	}
	b.ok(syscall.Kill(pid, syscall.SIGTERM))
	b.eventually("out of sight", func() bool { return !mountedAt(b.path("mnt")) })
	before := lastNumber(b.path("done", "0"))
	b.eventually("who is inside goes on", func() bool { return lastNumber(b.path("done", "0")) > before })
	b.ok(syscall.Kill(pid, syscall.SIGTERM)) // enough
	b.eventually("the daemon ends", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
	for _, writer := range b.running {
		if err := writer.Wait(); err == nil {
			t.Error("a writer noticed nothing")
		}
	}
	for i := range 4 {
		done := lastNumber(b.path("done", fmt.Sprint(i)))
		for _, name := range []string{"log", "current"} {
			text := b.done("cat", "docs.space", fmt.Sprint(name, i))
			lines := strings.Fields(text)
			if last, _ := strconv.Atoi(lines[len(lines)-1]); last != done && last != done+1 {
				t.Errorf("%s%d ends with %d, and %d was done", name, i, last, done)
			}
			if name == "log" && len(lines) < done {
				t.Errorf("log%d has %d lines, and %d were written", i, len(lines), done)
			}
		}
	}
	b.sound("docs.space")
	b.agree("docs.space", "mirror")
	if _, err := os.Stat(b.path("docs.space.lock")); err == nil {
		t.Error("the lock file was left behind")
	}
}

// lastNumber is what a writer says is done; 0 in the moment it says so.
func lastNumber(path string) int {
	text, _ := os.ReadFile(path)
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}
