package fusefs

import "golang.org/x/sys/unix"

// hasWriter asks for a read lease: the kernel grants none while somebody has the
// file open for writing, or mapped so.
func (s *Server) hasWriter(dir, name string) bool {
	at, err := s.visit(dir)
	if err != nil {
		return false
	}
	defer unix.Close(at)
	fd, err := openAt(at, name, unix.O_RDONLY)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
	if err == nil {
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK)
	}
	return err == unix.EAGAIN
}

// KnowsWriters says whether Busy can be believed.
func (s *Server) KnowsWriters() bool { return true }
