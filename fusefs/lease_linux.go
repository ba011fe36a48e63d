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
	return leaseForAMoment(fd) == unix.EAGAIN
}

// leaseForAMoment takes a read lease and gives it back. While it is held, who opens
// the file for writing waits, and who wants to wait for nothing (O_NONBLOCK, as
// touch and truncate do) is refused with EAGAIN. So Go's scheduler, which an
// ordinary system call gives the occasion to run something else on this processor,
// is kept out: neither call can block.
func leaseForAMoment(fd int) error {
	_, _, errno := unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
	if errno != 0 {
		return errno
	}
	_, _, _ = unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK)
	return nil
}

// KnowsWriters says whether Busy can be believed.
func (s *Server) KnowsWriters() bool { return true }
