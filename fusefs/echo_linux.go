package fusefs

import (
	"crypto/rand"

	"golang.org/x/sys/unix"

	"spacefs/spacedb"
)

// introduce lets the kernel say by which number it knows the visitor's thread.
func (e *echo) introduce(s *Server) {
	s.visitor.do(func() {
		_ = again(func() error { _, err := unix.Getxattr(s.dir, e.probe, nil); return err })
	})
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

// moved renames what came to its place from another one, which the kernel may
// still believe in. It says whether the kernel did it: then it knows the truth.
func (e *echo) moved(s *Server, from place, c entryChange) (done bool) {
	if !e.stands(c) {
		return false // changed again; that change follows
	}
	there, err := s.store.Path(c.parent)
	if err != nil {
		return false
	}
	e.at(s, from, func(old int) {
		s.inside(there, func(dir int) {
			e.perform(act{hides: c.place, was: c.was, shows: from}, func() {
				done = again(func() error { return unix.Renameat(old, from.name, dir, c.name) }) == nil
			})
		})
	})
	return done
}

// replaced does as if a temporary had been renamed over the name, so that also
// those hear of it who watch or follow the file that was there. It says whether
// the kernel did it.
func (e *echo) replaced(s *Server, c entryChange) bool {
	temporary := place{c.parent, ".spacefs-tmp-" + rand.Text()}
	done := e.moved(s, temporary, c)
	if done {
		e.at(s, c.place, func(dir int) { write(dir, c.name) })
	}
	return done
}

// stands: the place still names what the change says.
func (e *echo) stands(c entryChange) bool {
	a, err := e.files.plain.Lookup(c.parent, c.name)
	return err == nil && a.ID == c.is
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
			e.perform(act{hides: c.place}, func() { create(dir, c.name, a) })
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
		if c.attr {
			touch(dir, c.name, false)
		}
		if c.content {
			touch(dir, c.name, true)
			write(dir, c.name)
		}
	})
}

func create(dir int, name string, a spacedb.Attr) {
	_ = again(func() error {
		switch a.Type() {
		case spacedb.TypeRegular:
			return unix.Mknodat(dir, name, unix.S_IFREG|a.Perm()&0o700, 0)
		case spacedb.TypeDir:
			return unix.Mkdirat(dir, name, 0o700)
		case spacedb.TypeSymlink:
			return unix.Symlinkat("made", dir, name)
		}
		return nil
	})
}

// at runs work, which makes system calls only, in the directory of a place.
func (e *echo) at(s *Server, p place, work func(dir int)) {
	if e.thread.Load() == 0 {
		return
	}
	if path, err := s.store.Path(p.parent); err == nil {
		s.visitor.do(func() { s.inside(path, work) })
	}
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
