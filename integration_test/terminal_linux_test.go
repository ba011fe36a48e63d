package integration_test

import (
	"os"
	"os/exec"
	"strings"
)

// terminal is one of tmux's, with a server of its own: the last one's may be on its
// way out when the next program starts. Its socket is named from the test's
// directory: the whole name may be longer than a socket's can be.
type terminal struct {
	b      *bench
	socket string
}

func (t terminal) tmux(args ...string) *exec.Cmd {
	cmd := exec.Command("tmux", append([]string{"-f", "/dev/null", "-S", t.socket}, args...)...)
	cmd.Dir = t.b.dir
	cmd.Env = append(os.Environ(), "TERM=xterm", "LC_ALL=C.UTF-8", "SHELL=/bin/sh")
	return cmd
}

// terminal runs a command in the test's directory, until it or the test ends.
func (b *bench) terminal(name, command string) terminal {
	b.Helper()
	t := terminal{b, name + ".terminal"}
	_ = os.Remove(b.path(t.socket)) // of one that ended
	if out, err := t.tmux("new-session", "-d", "-x", "80", "-y", "24", command).CombinedOutput(); err != nil {
		b.Fatalf("tmux: %v: %s", err, out)
	}
	b.Cleanup(t.close)
	return t
}

// screen is what the program shows, "" once it has ended.
func (t terminal) screen() string {
	out, _ := t.tmux("capture-pane", "-p").Output()
	return string(out)
}

func (t terminal) shows(text string) {
	t.b.Helper()
	t.b.eventually(t.socket+" shows "+text, func() bool { return strings.Contains(t.screen(), text) })
}

func (t terminal) keys(keys ...string) {
	t.b.Helper()
	t.b.ok(t.tmux(append([]string{"send-keys"}, keys...)...).Run())
}

// ends waits until the program has ended by itself.
func (t terminal) ends() {
	t.b.Helper()
	t.b.eventually(t.socket+" ends", func() bool { return t.tmux("has-session").Run() != nil })
}

// close hangs up. The program may take a moment to notice.
func (t terminal) close() { _ = t.tmux("kill-server").Run() }
