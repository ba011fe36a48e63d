package command_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"spacefs/command"
	"spacefs/spacedb"
)

// The scripts in testdata/script run the program as a person would: a process a
// command, on a real mount.
func TestMain(m *testing.M) {
	spacefs := func() { os.Exit(command.Run(context.Background(), os.Args, os.Stdout, os.Stderr)) }
	testscript.Main(m, map[string]func(){"spacefs": spacefs, "mount.spacefs": spacefs})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_RUNTIME_DIR", env.WorkDir)
			env.Setenv("XDG_STATE_HOME", env.WorkDir)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("TZ", "UTC")
			env.Defer(func() { unmountBelow(env.WorkDir) })
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "fuse":
				_, err := os.Stat("/dev/fuse")
				return err == nil || mustRun(), nil
			case "root":
				return os.Getuid() == 0 || mustRun(), nil
			}
			return false, errors.New("no such condition")
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "hold": hold, "overwrite": overwrite, "truncate": truncate, "disk": disk,
		},
	})
}

// mustRun: then a condition that does not hold fails instead of skipping.
func mustRun() bool { return os.Getenv("SPACEFS_MUST_RUN") != "" }

// unmountBelow takes away what a failed script left.
func unmountBelow(dir string) {
	for _, name := range []string{"mnt", "disk", "readonly.space"} {
		_ = unix.Unmount(filepath.Join(dir, name), unix.MNT_DETACH)
	}
}

// exits CODE COMMAND ... runs a command that must end with that exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// hold SPACE keeps a space open in another process (this one) until the script
// ends.
func hold(ts *testscript.TestScript, neg bool, args []string) {
	store, err := spacedb.Open(ts.MkAbs(args[0]), spacedb.Options{})
	ts.Check(err)
	ts.Defer(func() { _ = store.Close() })
}

// overwrite FILE OFFSET TEXT damages a file.
func overwrite(ts *testscript.TestScript, neg bool, args []string) {
	offset, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY, 0)
	ts.Check(err)
	_, err = f.WriteAt([]byte(args[2]), offset)
	ts.Check(err)
	ts.Check(f.Close())
}

// truncate FILE SIZE cuts a file off.
func truncate(ts *testscript.TestScript, neg bool, args []string) {
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), size))
}

// disk DIR OPTIONS mounts a filesystem of the test's own, or mounts it anew with
// other options. Needs root.
func disk(ts *testscript.TestScript, neg bool, args []string) {
	dir, flags, data := ts.MkAbs(args[0]), uintptr(0), args[1]
	switch data {
	case "ro", "rw":
		flags = unix.MS_REMOUNT
		if data == "ro" {
			flags |= unix.MS_RDONLY
		}
		data = ""
	default:
		ts.Check(os.MkdirAll(dir, 0o755))
	}
	ts.Check(unix.Mount("tmpfs", dir, "tmpfs", flags, data))
}
