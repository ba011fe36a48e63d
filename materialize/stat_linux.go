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

// syncsOneFilesystem: what syncFilesystem does costs nobody else.
const syncsOneFilesystem = true

// syncFilesystem makes everything written to the filesystem of d durable.
func syncFilesystem(d *os.File) error { return unix.Syncfs(int(d.Fd())) }

// renameNew renames and fails if there is something already.
func renameNew(fromDir opened, from string, toDir opened, to string) error {
	err := unix.Renameat2(int(fromDir.Fd()), from, int(toDir.Fd()), to, unix.RENAME_NOREPLACE)
	if err == unix.EINVAL || err == unix.ENOSYS { // a filesystem without it
		var st unix.Stat_t
		if err := unix.Fstatat(int(toDir.Fd()), to, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil {
			return fs.ErrExist
		}
		return unix.Renameat(int(fromDir.Fd()), from, int(toDir.Fd()), to)
	}
	return err
}

// birthTime is when what name is in dir was made, if the filesystem tells.
func birthTime(dir *os.File, name string) (ns int64, ok bool) {
	var st unix.Statx_t
	err := unix.Statx(int(dir.Fd()), name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BTIME, &st)
	if err != nil || st.Mask&unix.STATX_BTIME == 0 {
		return 0, false
	}
	return st.Btime.Sec*1e9 + int64(st.Btime.Nsec), true
}

// setTime sets the modification time of what name is in dir, symlinks included.
func setTime(dir opened, name string, mtime int64) error {
	t := unix.NsecToTimespec(mtime)
	return unix.UtimesNanoAt(int(dir.Fd()), name, []unix.Timespec{{Nsec: unix.UTIME_OMIT}, t}, unix.AT_SYMLINK_NOFOLLOW)
}
