package materialize

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"spacefs/conflict"
	"spacefs/internal/attributes"
)

// disk is what an executor does to a directory, each call one step that can
// fail or be the last before a crash. Tests stand in for it.
type disk interface {
	// create makes a file with the mode and the extended attributes of what it shall
	// be, and tells how it looks and which attributes it could not have.
	create(path string, content io.Reader, as conflict.Entry, mtime int64) (stamp, []refused, error)
	// attribute changes extended attributes, and tells which it could not.
	attribute(path string, changes []attributes.Change) ([]refused, error)
	syncFile(path string) error
	syncAll() error
	rename(dir, from, to string, absent bool) error
	move(from, to string, absent bool) error
	mkdir(path string, perm uint32) error
	symlink(target, path string) error
	chmod(path string, perm uint32) error
	remove(path string) error
}

// rootDisk is the real one, for one goroutine; durable may be shared.
type rootDisk struct {
	root    *os.Root
	reach   *reach
	durable *writeback
	buf     []byte
}

func newDisk(root *os.Root, r *reach, durable *writeback) *rootDisk {
	return &rootDisk{root: root, reach: r, durable: durable, buf: make([]byte, 64<<10)}
}

func (d *rootDisk) create(path string, content io.Reader, as conflict.Entry, mtime int64) (st stamp, not []refused, err error) {
	dir, name, err := d.reach.parent(path)
	if err == nil {
		err = d.durable.open()
	}
	if err != nil {
		return st, nil, err
	}
	perm := as.Mode & permMask
	f, err := createAt(dir, name, perm|ownerWrites)
	if err != nil {
		return st, nil, err
	}
	size, err := io.CopyBuffer(f, content, d.buf)
	d.durable.wrote(size)
	if err == nil && as.Attributes != "" {
		not, err = writeAttributes(f.fd, attributes.Changes("", as.Attributes))
	}
	if err == nil {
		err = setTime(dir, name, mtime)
	}
	if err == nil {
		st, err = f.stat()
	}
	if err == nil && st.mode&permMask != perm { // of what was asked for the umask took something
		if err = f.chmod(perm); err == nil {
			st, err = f.stat()
		}
	}
	return st, not, errors.Join(err, f.close())
}

// attribute takes a mode that forbids it away for as long as it takes.
func (d *rootDisk) attribute(path string, changes []attributes.Change) (not []refused, err error) {
	dir, name, err := d.reach.parent(path)
	if err != nil {
		return nil, err
	}
	f, err := dir.openFile(name)
	if err != nil {
		return nil, err
	}
	not, err = writeAttributes(f.fd, changes)
	if errors.Is(err, unix.EACCES) {
		if st, statErr := f.stat(); statErr == nil && f.chmod(st.mode|ownerWrites) == nil {
			not, err = writeAttributes(f.fd, changes)
			err = errors.Join(err, f.chmod(st.mode))
		}
	}
	return not, errors.Join(err, f.close())
}

// ownerWrites must be in the mode of a file that is being made: some filesystems
// ask for it at each write.
const ownerWrites = 0o600

func (d *rootDisk) syncFile(path string) error { return syncFile(d.root, path) }

func syncFile(root *os.Root, path string) error {
	f, err := root.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (d *rootDisk) syncAll() error { return d.durable.sync() }

// close is for who shares nothing of it.
func (d *rootDisk) close() {
	d.reach.letGo()
	d.durable.close()
}

func (d *rootDisk) rename(dir, from, to string, absent bool) error {
	in, name, err := d.reach.parent(dir + to)
	if err != nil {
		return err
	}
	if absent {
		return renameNew(in, from, in, name)
	}
	return unix.Renameat(int(in.Fd()), from, int(in.Fd()), name)
}

// move is rename from one directory to another.
func (d *rootDisk) move(from, to string, absent bool) error {
	d.reach.letGo()
	if !absent {
		return d.root.Rename(from, to)
	}
	return withDir(d.root, from, func(fromDir *os.File, fromName string) error {
		return withDir(d.root, to, func(toDir *os.File, toName string) error { return renameNew(fromDir, fromName, toDir, toName) })
	})
}

// withDir hands fn the open directory of path, reached without leaving the root.
func withDir(root *os.Root, path string, fn func(dir *os.File, name string) error) error {
	dir, name := splitPath(path)
	f, err := root.Open(orDot(dir))
	if err != nil {
		return err
	}
	defer f.Close()
	return fn(f, name)
}

func (d *rootDisk) mkdir(path string, perm uint32) error {
	dir, name, err := d.reach.parent(path)
	if err != nil {
		return err
	}
	if err := unix.Mkdirat(int(dir.Fd()), name, 0o700); err != nil {
		return err
	}
	made, err := d.reach.open(path)
	if err != nil {
		return err
	}
	return unix.Fchmod(int(made.Fd()), perm&permMask)
}

func (d *rootDisk) symlink(target, path string) error {
	dir, name, err := d.reach.parent(path)
	if err != nil {
		return err
	}
	return symlinkAt(target, dir, name)
}

func (d *rootDisk) chmod(path string, perm uint32) error {
	return d.root.Chmod(path, os.FileMode(perm&permMask))
}

func (d *rootDisk) remove(path string) error {
	dir, name, err := d.reach.parent(path) // and with that nothing below dir is held any more
	if err != nil {
		return err
	}
	err = unix.Unlinkat(int(dir.Fd()), name, 0)
	if err == unix.EISDIR || err == unix.EPERM { // Linux, macOS
		if err := unix.Unlinkat(int(dir.Fd()), name, unix.AT_REMOVEDIR); err != unix.ENOTDIR {
			return err
		}
	}
	return err
}
