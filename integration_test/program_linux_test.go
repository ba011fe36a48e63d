// Package integration_test runs the real program on real mounts.
package integration_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// builtVariable names a program that is built already, for a test that runs
// itself again as somebody else.
const builtVariable = "SPACEFS_TEST_PROGRAM"

// program builds spacefs once.
var program = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv(builtVariable); bin != "" {
		return bin, nil
	}
	dir, err := os.MkdirTemp("", "spacefs-program-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "spacefs")
	args := []string{"build", "-tags", "sqlite_fts5", "-o", bin}
	if raceEnabled {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "spacefs")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %v\n%s", err, out)
	}
	return bin, nil
})

// roleVariable tells a child that it is not to run tests but to play a part.
const roleVariable = "SPACEFS_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == "disk" {
		if err := serveDisk(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, "disk:", err)
			os.Exit(1)
		}
		return
	}
	syscall.Umask(0o022)
	code := m.Run()
	if bin, err := program(); err == nil && os.Getenv(builtVariable) == "" {
		os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// must skips a test, loudly, where what it needs is missing; where everything
// must run it fails.
func must(t *testing.T, ok bool, what string) {
	t.Helper()
	switch {
	case ok:
	case os.Getenv("SPACEFS_MUST_RUN") != "":
		t.Fatal("this must run, and needs " + what)
	default:
		t.Skip("SKIPPED: needs " + what)
	}
}

func needFUSE(t *testing.T) {
	t.Helper()
	_, err := os.Stat("/dev/fuse")
	must(t, err == nil, "/dev/fuse")
}

func needProgram(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := exec.LookPath(name)
		must(t, err == nil, name)
	}
}

// bench is a directory to work in and the program to work with. Whatever is
// mounted below it when the test ends is taken away.
type bench struct {
	*testing.T
	dir string
	bin string

	running []*exec.Cmd // in the background
}

func newBench(t *testing.T) *bench {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, dir: t.TempDir(), bin: bin}
	t.Setenv("XDG_RUNTIME_DIR", b.dir)
	t.Setenv("XDG_STATE_HOME", b.dir)
	return b
}

func (b *bench) path(name ...string) string {
	return filepath.Join(append([]string{b.dir}, name...)...)
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) mkdir(name string) string {
	b.Helper()
	b.ok(os.MkdirAll(b.path(name), 0o755))
	return b.path(name)
}

// result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

func (r result) String() string { return fmt.Sprintf("exit %d\n%s%s", r.code, r.stdout, r.stderr) }

// command is spacefs with arguments, in the test's directory.
func (b *bench) command(args ...string) *exec.Cmd {
	cmd := exec.Command(b.bin, args...)
	cmd.Dir = b.dir
	return cmd
}

// run runs spacefs, however it ends.
func (b *bench) run(args ...string) result {
	b.Helper()
	cmd := b.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// done runs spacefs, which must succeed, and returns its standard output.
func (b *bench) done(args ...string) string {
	b.Helper()
	r := b.run(args...)
	if r.code != 0 {
		b.Fatalf("spacefs %s: %s", strings.Join(args, " "), r)
	}
	return r.stdout
}

// sh runs a shell script in the test's directory; it must succeed.
func (b *bench) sh(script string) string {
	b.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = b.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// status is what `spacefs status --json` says.
type status struct {
	PID        int
	Mountpoint string
	Conflicts  int
	Goroutines int
	Seq        uint64
	TablesSeq  uint64 `json:"tables_seq"`
	Unsealed   int
	Unpacked   int
	Commits    int
	Requests   map[string]struct{ Count, Nanos int64 }
}

func (b *bench) status(space string) (st status) {
	b.Helper()
	b.ok(json.Unmarshal([]byte(b.done("status", "--json", space)), &st))
	return st
}

// mount mounts a space at mnt, and sees that nothing of it outlives the test.
func (b *bench) mount(args ...string) {
	b.Helper()
	_ = os.Mkdir(b.path("mnt"), 0o755) // a dead mount is there and cannot be looked at
	b.Cleanup(func() {
		// Usually gone by now. Lazily, because the test may have failed in the middle.
		_ = unix.Unmount(b.path("mnt"), unix.MNT_DETACH)
		if os.Getuid() != 0 {
			_ = exec.Command("fusermount3", "-uzq", b.path("mnt")).Run()
		}
	})
	b.done(append(append([]string{"mount"}, args...), b.path("mnt"))...)
}

func (b *bench) unmount() result {
	b.Helper()
	r := b.run("unmount", "mnt")
	if r.code != 0 {
		b.Fatalf("unmount: %s", r)
	}
	return r
}

// sound ends a test: the space verifies.
func (b *bench) sound(space string) {
	b.Helper()
	b.done("check", "-q", space)
}

// agree: the mirror is what a fresh export is.
func (b *bench) agree(space, mirror string) {
	b.Helper()
	b.ok(os.RemoveAll(b.path("agreed")))
	b.done("export", "-q", space, "agreed")
	b.sh("diff -r --no-dereference --exclude=.spacefs --exclude=.spacefs-manifest.jsonl " + mirror + " agreed")
	b.sh("rm -rf agreed")
}
