package materialize

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"spacefs/internal/attributes"
)

// takesAttributes says whether a directory's filesystem has extended attributes:
// it asks for one that nobody has.
func takesAttributes(root *os.Root) bool {
	d, err := root.Open(".")
	if err != nil {
		return true // whoever looks closer will say it
	}
	defer d.Close()
	_, err = unix.Fgetxattr(int(d.Fd()), "user.spacefs.none", nil)
	return !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.ENOSYS)
}

// readAttributes are the extended attributes of an open file that are synced.
func readAttributes(fd int) (attributes.Set, error) {
	names, err := readWhole(func(buf []byte) (int, error) { return unix.Flistxattr(fd, buf) })
	switch {
	case errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS): // a filesystem that is mounted within
		return "", nil
	case err != nil || len(names) == 0:
		return "", err
	}
	values := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		if !isSynced(name) {
			continue
		}
		value, err := readWhole(func(buf []byte) (int, error) { return unix.Fgetxattr(fd, name, buf) })
		if errors.Is(err, errNoAttribute) {
			continue // it went while we looked
		}
		if err != nil {
			return "", err
		}
		values[name] = string(value)
	}
	return attributes.Of(values), nil
}

// readWhole asks with more and more room.
func readWhole(read func(buf []byte) (int, error)) ([]byte, error) {
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := read(buf)
		switch {
		case err == nil:
			return buf[:n], nil
		case err != unix.ERANGE && err != unix.EINTR || size > 64<<20:
			return nil, err
		}
	}
}

// attributesAt are those of what is at a path, a file or directory.
func attributesAt(root *os.Root, path string) (attributes.Set, error) {
	f, err := root.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return readAttributes(int(f.Fd()))
}

// writeAttribute sets or removes one.
func writeAttribute(fd int, c attributes.Change) error {
	if c.New != nil {
		return unix.Fsetxattr(fd, c.Name, []byte(*c.New), 0)
	}
	err := unix.Fremovexattr(fd, c.Name)
	if errors.Is(err, errNoAttribute) {
		return nil
	}
	return err
}

// refused is an attribute that a filesystem would not take.
type refused struct {
	change attributes.Change
	err    error
}

// isRefusal says that a filesystem has no room for an attribute, or none at all:
// that is no reason to go without the file.
func isRefusal(err error) bool {
	for _, is := range []error{unix.ENOTSUP, unix.ENOSPC, unix.E2BIG, unix.ERANGE, unix.EDQUOT, unix.ENAMETOOLONG} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// writeAttributes makes changes, and names those that were refused.
func writeAttributes(fd int, changes []attributes.Change) (not []refused, err error) {
	for _, c := range changes {
		switch err := writeAttribute(fd, c); {
		case err == nil:
		case isRefusal(err):
			not = append(not, refused{c, err})
		default:
			return not, err
		}
	}
	return not, nil
}
