package materialize

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func changeTime(info fs.FileInfo) (ctime int64, inode uint64) {
	st := info.Sys().(*syscall.Stat_t)
	return st.Ctim.Nano(), st.Ino
}

// syncFilesystem makes everything written to the filesystem of d durable.
func syncFilesystem(d *os.File) error { return unix.Syncfs(int(d.Fd())) }

// renameNew renames within a directory and fails if there is something already.
func renameNew(dir *os.File, from, to string) error {
	err := unix.Renameat2(int(dir.Fd()), from, int(dir.Fd()), to, unix.RENAME_NOREPLACE)
	if err == unix.EINVAL || err == unix.ENOSYS { // a filesystem without it
		if _, err := os.Lstat(dir.Name() + "/" + to); err == nil {
			return fs.ErrExist
		}
		err = unix.Renameat(int(dir.Fd()), from, int(dir.Fd()), to)
		return err
	}
	return err
}

// setTime sets the modification time of what name is in dir, symlinks included.
func setTime(dir *os.File, name string, mtime int64) error {
	t := unix.NsecToTimespec(mtime)
	return unix.UtimesNanoAt(int(dir.Fd()), name, []unix.Timespec{{Nsec: unix.UTIME_OMIT}, t}, unix.AT_SYMLINK_NOFOLLOW)
}
