package fusefs_test

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// setgroups is for this thread alone; the standard library's is for all.
func setgroups(count int, list *uint32) {
	_, _, _ = unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(count), uintptr(unsafe.Pointer(list)), 0)
}
