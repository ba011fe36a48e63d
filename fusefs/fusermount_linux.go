package fusefs

import (
	"errors"
	"os/exec"
	"strings"
	"syscall"
)

// helper is the setuid program of FUSE that does for an ordinary user what needs
// root.
func helper() (bin string, err error) {
	for _, name := range []string{"fusermount3", "fusermount"} {
		if bin, err = exec.LookPath(name); err == nil {
			return bin, nil
		}
	}
	return "", errors.New("fusermount3 is not installed (Debian: apt install fuse3)")
}

func fusermount(args ...string) error {
	bin, err := helper()
	if err != nil {
		return err
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
