package fusefs

import (
	"os/exec"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"spacefs/spacedb"
)

// cacheSeconds is short: macFUSE passes no notifications on, so nothing could
// be taken back.
const cacheSeconds = 1

const (
	extraCapabilities = 0
	capNoOpenDir      = 0

	dsync = unix.O_SYNC | unix.O_DSYNC
)

// renameFlags translates those of renamex_np(2).
func renameFlags(flags uint32) (ours uint32) {
	if flags&unix.RENAME_EXCL != 0 {
		ours |= spacedb.RenameNoReplace
	}
	if flags&unix.RENAME_SWAP != 0 {
		ours |= spacedb.RenameExchange
	}
	return ours
}

// attach lets go-fuse mount with macFUSE's helper.
func attach(fs fuse.RawFileSystem, dir string, options *fuse.MountOptions, o Options) (server *fuse.Server, fd int, err error) {
	options.Options = []string{"default_permissions"}
	if o.ReadOnly {
		options.Options = append(options.Options, "ro")
	}
	server, err = fuse.NewServer(fs, dir, options)
	return server, -1, err
}

func settled(server *fuse.Server, _ string) error { return server.WaitMount() }

func unmount(dir string) error { return unix.Unmount(dir, 0) }

func detach(dir string) error { return exec.Command("diskutil", "unmount", "force", dir).Run() }
