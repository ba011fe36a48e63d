package fusefs

import (
	"os/exec"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

const syncFlags = unix.O_SYNC

func platformOptions(*fuse.MountOptions) {}

func unmount(dir string) error { return exec.Command("umount", dir).Run() }

func detach(dir string) error { return exec.Command("diskutil", "unmount", "force", dir).Run() }

// hasWriter is not known here: the quiet time alone decides.
func hasWriter(string) bool { return false }

// poke does nothing: macFUSE passes no notifications on.
func poke(string, bool) {}
