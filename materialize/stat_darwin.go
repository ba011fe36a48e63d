package materialize

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func changeTime(info fs.FileInfo) (ctime int64, inode uint64) {
	st := info.Sys().(*syscall.Stat_t)
	return st.Ctimespec.Nano(), st.Ino
}

// syncFilesystem: there is no syncfs; sync(2) is the nearest.
func syncFilesystem(*os.File) error { return unix.Sync() }

// renameNew renames within a directory and fails if there is something already.
func renameNew(dir *os.File, from, to string) error {
	return unix.RenameatxNp(int(dir.Fd()), from, int(dir.Fd()), to, unix.RENAME_EXCL)
}

// setTime sets the modification time of what name is in dir, symlinks included.
func setTime(dir *os.File, name string, mtime int64) error {
	t := unix.NsecToTimespec(mtime)
	return unix.UtimesNanoAt(int(dir.Fd()), name, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
}
