package integration_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// What a sync brings is seen by whoever looks at the mount: by inotifywait, by
// tail, and by editors that have the document open.
func TestProgramsSeeWhatASyncBrings(t *testing.T) {
	needFUSE(t)
	needProgram(t, "inotifywait", "tail", "vim", "emacs", "tmux")
	b := newBench(t)
	b.mkdir("mirror/sub")
	for _, name := range []string{"vim.md", "emacs.md", "edited", "followed", "grows", "removed", "moved", "sub/deep"} {
		b.ok(os.WriteFile(b.path("mirror", name), []byte("first\n"), 0o644))
	}
	b.mount("--create", "--mirror", "mirror", "docs.space")
	b.background("events", "inotifywait", "-m", "-r", "-e", "create,modify,close_write,attrib,delete,move", "--format", "%e %w%f", "mnt")
	b.background("grown", "tail", "-n", "+1", "-s", "0.1", "-f", "mnt/grows")
	b.background("following", "tail", "-n", "+1", "-s", "0.1", "-F", "mnt/followed")
	vim := b.terminal("vim", `vim -N -u NONE -i NONE -c "set autoread" -c "call timer_start(100, {-> execute(\"checktime\")}, {\"repeat\": -1})" mnt/vim.md`)
	emacs := b.terminal("emacs", `emacs -Q -nw --eval "(setq auto-revert-avoid-polling t)" --eval "(global-auto-revert-mode 1)" mnt/emacs.md`)
	vim.shows("first")
	emacs.shows("first")
	b.eventually("tail has read", func() bool { return b.holds("grown", "first") && b.holds("following", "first") })
	b.eventually("inotifywait watches", func() bool { return b.holds("events.err", "Watches established") })

	b.sh(`cd mirror
		for f in vim.md emacs.md edited followed grows sub/deep; do echo second >> $f; done
		echo replaced > followed; chmod 600 edited; rm removed; mv moved elsewhere; echo x > ../new; mv ../new new; mkdir dir`)
	b.done("sync", "docs.space", "mirror")
	for _, event := range []string{
		"MODIFY mnt/grows", "CLOSE_WRITE,CLOSE mnt/grows", "ATTRIB mnt/edited", "CLOSE_WRITE,CLOSE mnt/edited", "MOVED_TO mnt/followed",
		"DELETE mnt/removed", "mnt/elsewhere", "CREATE mnt/new", "CLOSE_WRITE,CLOSE mnt/new", "CREATE,ISDIR mnt/dir", "mnt/sub/deep",
	} {
		b.eventually("inotifywait reports "+event, func() bool { return b.holds("events", event) })
	}
	b.eventually("tail -f", func() bool { return b.holds("grown", "second") })
	b.eventually("tail -F", func() bool { return b.holds("following", "replaced") })
	vim.shows("second")
	emacs.shows("second")
	t.Logf("inotifywait -m -r mnt, while a sync brought edits:\n%s", b.text("events"))

	// Being told of makes nothing to tell.
	if r := b.run("sync", "docs.space", "mirror"); r.code != 0 || !strings.Contains(r.stderr, "nothing to do") {
		t.Errorf("the next sync: %s", r)
	}
	b.rest("docs.space")
	for path, want := range map[string]int{"vim.md": 2, "grows": 2, "edited": 2, "new": 1} {
		if list := b.log("docs.space", path); len(list) != want {
			t.Errorf("%s has %d revisions, want %d: %+v", path, len(list), want, list)
		}
	}
	vim.close()
	emacs.close()
	b.reap()
	b.eventually("the editors have left", func() bool { return b.run("unmount", "mnt").code == 0 })
	b.sound("docs.space")
}

// background runs a program until the test, or reap, ends it; what it says goes
// to a file, and to another what goes wrong.
func (b *bench) background(out string, name string, args ...string) {
	b.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = b.dir
	var err error
	cmd.Stdout, err = os.Create(b.path(out))
	b.ok(err)
	cmd.Stderr, err = os.Create(b.path(out + ".err"))
	b.ok(err)
	b.ok(cmd.Start())
	b.running = append(b.running, cmd)
	b.Cleanup(b.reap)
}

// reap ends what runs in the background.
func (b *bench) reap() {
	for _, cmd := range b.running {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	b.running = nil
}

func (b *bench) holds(file, text string) bool {
	content, _ := os.ReadFile(b.path(file))
	return strings.Contains(string(content), text)
}
