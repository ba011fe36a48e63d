package fusefs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Heal clears a mount point whose daemon died ("Transport endpoint is not
// connected"). healed is false when dir is nothing of the kind.
func Heal(dir string) (healed bool, err error) {
	// One dead mount may hide another.
	for range 16 {
		if !isDead(dir) {
			return healed, nil
		}
		if err := detach(dir); err != nil {
			return healed, fmt.Errorf("%s is a dead mount and cannot be detached: %w", dir, err)
		}
		healed = true
	}
	return healed, fmt.Errorf("%s: too many dead mounts", dir)
}

// isDead asks with statfs(2), which always reaches the daemon; the kernel goes
// on answering stat(2) from its cache.
func isDead(dir string) bool {
	var st unix.Statfs_t
	err := unix.Statfs(dir, &st)
	return errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ECONNABORTED)
}
