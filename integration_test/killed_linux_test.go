package integration_test

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A daemon is killed under an editor and under somebody who works in the mount:
// what was saved is there, the next mount works, and the editor goes on.
func TestEditorsOutliveAKilledDaemon(t *testing.T) {
	needFUSE(t)
	needProgram(t, "vim", "tmux")
	b := newBench(t)
	b.mkdir("mirror")
	b.mount("--create", "--mirror", "mirror", "docs.space")
	b.ok(os.WriteFile(b.path("mnt/note.md"), []byte("first\n"), 0o644))
	vim := b.terminal("vim", "vim -N -u NONE -i NONE "+b.path("mnt/note.md"))
	vim.shows("first")
	vim.keys("G", "o", "saved before", "Escape", ":w", "Enter")
	b.eventually("it is saved", func() bool { return b.holds("mnt/note.md", "saved before") })
	b.background("inside", "sh", "-c", "cd mnt && exec sleep 600")
	b.eventually("somebody works inside", func() bool {
		return strings.Contains(b.run("unmount", "mnt").stderr, "works in the mount point")
	})

	b.kill("docs.space")
	b.done("mount", "--mirror", "mirror", "docs.space", "mnt") // over the dead one
	if text := string(b.text("mnt/note.md")); text != "first\nsaved before\n" {
		t.Errorf("after the kill it holds %q", text)
	}
	vim.keys("G", "o", "saved after", "Escape", ":w!", "Enter")
	b.eventually("vim saves into the new mount", func() bool { return b.holds("mnt/note.md", "saved after") })
	vim.keys("Enter", ":q!", "Enter")
	vim.ends()

	b.kill("docs.space")
	if r := b.unmount(); !strings.Contains(r.stderr, "was a dead mount") {
		t.Errorf("unmounting a dead mount says: %s", r)
	}
	b.mount("--mirror", "mirror", "docs.space")
	for _, r := range b.log("docs.space", "note.md") {
		if r.Origin == "" || strings.HasPrefix(r.Time, "1970") {
			t.Errorf("a revision of nobody and never: %+v", r)
		}
	}
	b.reap()
	b.unmount()
	if text := string(b.text("mirror/note.md")); text != "first\nsaved before\nsaved after\n" {
		t.Errorf("the mirror holds %q", text)
	}
	b.agree("docs.space", "mirror")
	b.sound("docs.space")
}

// kill kills the daemon that has a space mounted, and waits until it has gone.
func (b *bench) kill(space string) {
	b.Helper()
	b.sh("sync mnt/note.md")
	b.killNow(space)
}

// killNow kills the daemon with whatever is not durable, and waits until it has
// gone: until then it may have the space.
func (b *bench) killNow(space string) {
	b.Helper()
	pid := b.status(space).PID
	b.ok(syscall.Kill(pid, syscall.SIGKILL))
	b.eventually("the daemon is dead", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
}
