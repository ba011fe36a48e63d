package fusefs

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Heal clears a mount point whose daemon died ("Transport endpoint is not
// connected"). healed is false when dir is nothing of the kind.
func Heal(dir string) (healed bool, err error) {
	// One dead mount may hide another.
	for range 16 {
		if _, err := os.Stat(dir); !isDead(err) {
			return healed, nil
		}
		if err := detach(dir); err != nil {
			return healed, fmt.Errorf("%s is a dead mount and cannot be detached: %w", dir, err)
		}
		healed = true
	}
	return healed, fmt.Errorf("%s: too many dead mounts", dir)
}

func isDead(err error) bool {
	return errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.ECONNABORTED)
}
