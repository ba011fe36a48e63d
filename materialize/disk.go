package materialize

import (
	"errors"
	"io"
	"os"
)

// disk is what an executor does to a directory, each call one step that can
// fail or be the last before a crash. Tests stand in for it.
type disk interface {
	create(path string, content io.Reader, perm uint32, mtime int64) error
	syncFile(path string) error
	syncAll() error
	rename(dir, from, to string, absent bool) error
	move(from, to string, absent bool) error
	mkdir(path string, perm uint32) error
	symlink(target, path string) error
	chmod(path string, perm uint32) error
	remove(path string) error
}

// rootDisk is the real one.
type rootDisk struct{ root *os.Root }

func (d rootDisk) create(path string, content io.Reader, perm uint32, mtime int64) error {
	f, err := d.root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Chmod(os.FileMode(perm & permMask))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return d.withDir(path, func(dir *os.File, name string) error { return setTime(dir, name, mtime) })
}

func (d rootDisk) syncFile(path string) error {
	f, err := d.root.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (d rootDisk) syncAll() error {
	f, err := d.root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return syncFilesystem(f)
}

func (d rootDisk) rename(dir, from, to string, absent bool) error {
	if !absent {
		return d.root.Rename(dir+from, dir+to)
	}
	return d.withDir(dir+to, func(f *os.File, name string) error { return renameNew(f, from, f, name) })
}

// move is rename from one directory to another.
func (d rootDisk) move(from, to string, absent bool) error {
	if !absent {
		return d.root.Rename(from, to)
	}
	return d.withDir(from, func(fromDir *os.File, fromName string) error {
		return d.withDir(to, func(toDir *os.File, toName string) error { return renameNew(fromDir, fromName, toDir, toName) })
	})
}

// withDir hands fn the open directory of path, reached without leaving the root.
func (d rootDisk) withDir(path string, fn func(dir *os.File, name string) error) error {
	dir, name := splitPath(path)
	f, err := d.root.Open(orDot(dir))
	if err != nil {
		return err
	}
	defer f.Close()
	return fn(f, name)
}

func (d rootDisk) mkdir(path string, perm uint32) error {
	if err := d.root.Mkdir(path, 0o700); err != nil {
		return err
	}
	return d.chmod(path, perm)
}

func (d rootDisk) symlink(target, path string) error { return d.root.Symlink(target, path) }

func (d rootDisk) chmod(path string, perm uint32) error {
	return d.root.Chmod(path, os.FileMode(perm&permMask))
}

func (d rootDisk) remove(path string) error { return d.root.Remove(path) }
