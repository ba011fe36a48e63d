package fusefs

import "github.com/hanwen/go-fuse/v2/fuse"

// What is refused, and what the kernel makes of it. ENOSYS it takes as "never
// ask again"; the default file system gives it to everything that is nowhere in
// this package:
//
//	ACCESS           default_permissions decides without asking
//	STATX            GETATTR, which never follows a symlink
//	POLL             always ready
//	GETLK, SETLK     never sent: locks stay in the kernel, and so die with it

// Open is asked once: after ENOSYS the kernel opens files by itself and keeps
// their pages. One that cannot is told to keep them.
func (f *fileSystem) Open(_ <-chan struct{}, _ *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if f.noOpen {
		return fuse.ENOSYS
	}
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	return fuse.OK
}

// OpenDir is Open for directories; their listings are kept too.
func (f *fileSystem) OpenDir(_ <-chan struct{}, _ *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if f.noOpenDir {
		return fuse.ENOSYS
	}
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE | fuse.FOPEN_CACHE_DIR
	return fuse.OK
}

// Flush has nothing to say: what a write did is reported at the write.
func (f *fileSystem) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.ENOSYS }

// Create becomes MKNOD, and the file is open without another request.
func (f *fileSystem) Create(<-chan struct{}, *fuse.CreateIn, string, *fuse.CreateOut) fuse.Status {
	return fuse.ENOSYS
}

// Ioctl: FITRIM, chattr and their kin mean nothing here, and programs know this
// answer.
func (f *fileSystem) Ioctl(<-chan struct{}, *fuse.IoctlIn, []byte, *fuse.IoctlOut, []byte) fuse.Status {
	return enotty
}
