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

// syncsOneFilesystem: it does not.
const syncsOneFilesystem = false

// syncFilesystem: there is no syncfs; sync(2) is the nearest.
func syncFilesystem(*os.File) error { return unix.Sync() }

// renameNew renames and fails if there is something already.
func renameNew(fromDir opened, from string, toDir opened, to string) error {
	return unix.RenameatxNp(int(fromDir.Fd()), from, int(toDir.Fd()), to, unix.RENAME_EXCL)
}

// birthTime is when what name is in dir was made.
func birthTime(dir *os.File, name string) (ns int64, ok bool) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return 0, false
	}
	return st.Btim.Nano(), true
}

// setTime sets the modification time of what name is in dir, symlinks included.
func setTime(dir opened, name string, mtime int64) error {
	t := unix.NsecToTimespec(mtime)
	return unix.UtimesNanoAt(int(dir.Fd()), name, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
}
