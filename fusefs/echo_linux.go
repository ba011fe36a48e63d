package fusefs

import (
	"golang.org/x/sys/unix"

	"spacefs/spacedb"
)

// introduce lets the kernel say by which number it knows this thread.
func (e *echo) introduce(s *Server) {
	_ = again(func() error { _, err := unix.Getxattr(s.dir, e.probe, nil); return err })
}

// The rest is best effort: a watcher that hears nothing is no reason to fail,
// and an ordinary user's daemon may not touch what others own.

// removed unlinks a name that has gone. The kernel asks only if it still
// remembers the name; else there is nothing to hear.
func (e *echo) removed(s *Server, c entryChange) {
	e.at(s, c.place, func(dir int) {
		err := again(func() error { return unix.Unlinkat(dir, c.name, 0) })
		if err == unix.EISDIR {
			_ = again(func() error { return unix.Unlinkat(dir, c.name, unix.AT_REMOVEDIR) })
		}
	})
}

// added makes a name that is new, or writes to one that now means something
// else.
func (e *echo) added(s *Server, c entryChange) {
	a, err := e.files.plain.Lookup(c.parent, c.name)
	if err != nil || a.ID != c.is {
		return // changed again; that change follows
	}
	e.at(s, c.place, func(dir int) {
		if c.was == 0 {
			e.making.Store(&c.place)
			defer e.making.Store(nil)
			switch a.Type() {
			case spacedb.TypeRegular:
				_ = again(func() error { return unix.Mknodat(dir, c.name, unix.S_IFREG|a.Perm()&0o700, 0) })
			case spacedb.TypeDir:
				_ = again(func() error { return unix.Mkdirat(dir, c.name, 0o700) })
			case spacedb.TypeSymlink:
				_ = again(func() error { return unix.Symlinkat("made", dir, c.name) })
			}
		} else {
			touch(dir, c.name, a.IsRegular())
		}
		if a.IsRegular() {
			write(dir, c.name)
		}
	})
}

// changed touches a node, and writes to it if it has other content.
func (e *echo) changed(s *Server, c nodeChange) {
	e.at(s, c.place, func(dir int) {
		touch(dir, c.name, c.content)
		if c.content {
			write(dir, c.name)
		}
	})
}

func (e *echo) at(s *Server, p place, work func(dir int)) {
	if e.thread.Load() == 0 {
		return
	}
	path, err := s.store.Path(p.parent)
	if err != nil {
		return
	}
	dir, err := s.visit(path)
	if err != nil {
		return
	}
	defer unix.Close(dir)
	work(dir)
}

// touch is heard as IN_ATTRIB; of the modification time alone as IN_MODIFY.
func touch(dir int, name string, content bool) {
	times := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
	if content {
		times[0].Nsec = unix.UTIME_OMIT
	}
	_ = again(func() error { return unix.UtimesNanoAt(dir, name, times, unix.AT_SYMLINK_NOFOLLOW) })
}

// write is heard as IN_CLOSE_WRITE, and costs no request.
func write(dir int, name string) {
	if fd, err := openAt(dir, name, unix.O_WRONLY); err == nil {
		unix.Close(fd)
	}
}
