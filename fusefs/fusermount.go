package fusefs

import (
	"errors"
	"os/exec"
	"strings"
	"syscall"
)

// fusermount does for an ordinary user what needs root: it is the setuid helper
// of FUSE.
func fusermount(args ...string) error {
	bin, err := exec.LookPath("fusermount3")
	if err != nil {
		if bin, err = exec.LookPath("fusermount"); err != nil {
			return errors.New("fusermount3 is not installed (Debian: apt install fuse3)")
		}
	}
	cmd := exec.Command(bin, args...)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	switch text := strings.TrimSpace(string(out)); {
	case err == nil:
		return nil
	case strings.Contains(text, "busy"): // it has no exit code of its own
		return syscall.EBUSY
	case text != "":
		return errors.New(text)
	}
	return err
}
