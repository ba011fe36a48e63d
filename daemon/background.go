package daemon

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"spacefs/materialize"
)

// Go cannot fork, so a mount goes into the background by running its own
// program again: the child mounts and reports over a pipe, the parent passes
// the reports on and ends once the mount answers, or with the child's error.

// backgroundEnv tells the child that file descriptor 3 is the pipe.
const backgroundEnv = "SPACEFS_BACKGROUND"

// InBackground says whether this process is such a child.
func InBackground() bool { return os.Getenv(backgroundEnv) != "" }

// MountInBackground runs this very command again, out of the terminal's reach.
func MountInBackground(report materialize.Reporter) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	child := exec.Command(self, os.Args[1:]...)
	child.Args[0] = os.Args[0] // mount(8) calls us by another name
	child.Env = append(os.Environ(), backgroundEnv+"=1")
	child.Stdout, child.Stderr = log, log
	child.ExtraFiles = []*os.File{write}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return err
	}
	write.Close()
	defer read.Close()
	err = follow(read, nil, report, nil)
	if err != nil {
		_ = child.Wait() // it ends too
		return err
	}
	return child.Process.Release()
}

// MountAsChild is the other end of MountInBackground.
func MountAsChild(ctx context.Context, r MountRequest) error {
	os.Unsetenv(backgroundEnv)
	pipe := os.NewFile(3, "parent")
	syscall.CloseOnExec(3)
	out := newFrameWriter(pipe)
	report := newRelay(out)
	isReady := false
	_, err := Mount(ctx, r, report, func() {
		isReady = true
		report.only(logLines(os.Stderr))
		out.send(frame{Ready: true})
		pipe.Close()
	})
	if !isReady {
		out.end(nil, err)
	}
	return err
}

// openLog is where a mount in the background writes what nobody would see.
func openLog() (*os.File, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			home = os.TempDir()
		}
		dir = filepath.Join(home, ".local", "state")
	}
	dir = filepath.Join(dir, "spacefs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(dir, "spacefs.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}
