package materialize

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// watcher follows a mirror with inotify. It watches what a walk enters, before
// the walk lists it, so that nothing comes between. fsnotify would not do: it
// does not tell when a file is closed by its writer, and that is what parts a
// document from half of one.
type watcher struct {
	*hints
	file *os.File
	fd   int
	junk func(string) bool
	done sync.WaitGroup

	mu    sync.Mutex // guards what follows; before hints.mu
	paths map[int32]string
	wds   map[string]int32
}

const watched = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_MODIFY | unix.IN_CLOSE_WRITE |
	unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR | unix.IN_EXCL_UNLINK

func newWatcher(dir string, junk func(string) bool) *watcher {
	w := &watcher{hints: newHints(), junk: junk, paths: map[int32]string{}, wds: map[string]int32{}, fd: -1}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		w.always = fmt.Sprintf("nothing can be watched: %v (fs.inotify.max_user_instances?)", err)
		return w
	}
	if kind := othersReach(dir); kind != "" {
		w.always = "what others change on " + kind + " is not told"
	}
	w.fd, w.file = fd, os.NewFile(uintptr(fd), "inotify")
	w.done.Add(1)
	go w.read()
	return w
}

func (w *watcher) close() {
	if w.file != nil {
		w.file.Close()
	}
	w.done.Wait()
}

// enter watches a directory that is about to be listed.
func (w *watcher) enter(path string, d directory) {
	if w.fd < 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	wd, err := unix.InotifyAddWatch(w.fd, fmt.Sprintf("/proc/self/fd/%d", d.fd), watched)
	switch err {
	case nil:
		w.paths[int32(wd)], w.wds[path] = path, int32(wd)
	case unix.ENOSPC:
		w.missing("there are more directories than may be watched; raise fs.inotify.max_user_watches")
	default:
		w.missing(fmt.Sprintf("%s cannot be watched: %v", path, err))
	}
}

func (w *watcher) read() {
	defer w.done.Done()
	buf := make([]byte, 64<<10)
	for {
		n, err := w.file.Read(buf)
		if err != nil {
			return // closed
		}
		// struct inotify_event: watch, mask, cookie, length of the name, name.
		for rest := buf[:n]; len(rest) >= unix.SizeofInotifyEvent; {
			wd, mask := int32(binary.NativeEndian.Uint32(rest)), binary.NativeEndian.Uint32(rest[4:])
			end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(rest[12:]))
			name, _, _ := bytes.Cut(rest[unix.SizeofInotifyEvent:end], []byte{0})
			rest = rest[end:]
			w.happened(wd, mask, string(name))
		}
	}
}

func (w *watcher) happened(wd int32, mask uint32, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if mask&unix.IN_Q_OVERFLOW != 0 {
		w.lose("more happened at once than could be told")
		return
	}
	dir, known := w.paths[wd]
	if !known {
		return // it has left the mirror
	}
	switch {
	case mask&unix.IN_IGNORED != 0:
		delete(w.paths, wd)
		if w.wds[dir] == wd {
			delete(w.wds, dir)
		}
		return
	case mask&(unix.IN_UNMOUNT|unix.IN_DELETE_SELF|unix.IN_MOVE_SELF) != 0:
		if dir == "" {
			w.lose("the mirror itself went")
		}
		return
	case name == "" || dir == "" && name == stateDir || w.junk(name):
		return
	}
	p := join(dir, name)
	switch {
	case mask&unix.IN_ISDIR != 0:
		if mask&unix.IN_MOVED_FROM != 0 {
			w.unwatch(p)
		}
		w.put(p, mask&unix.IN_ATTRIB == 0, 0)
	case mask&unix.IN_ATTRIB != 0:
		w.touch(p)
	case mask&unix.IN_MODIFY != 0:
		w.put(p, false, writerPause)
	case mask&unix.IN_CREATE != 0:
		w.put(p, false, creatorPause)
	default:
		w.put(p, false, 0)
	}
}

// unwatch forgets a directory that went, and what was below it: the inodes may
// turn up elsewhere.
func (w *watcher) unwatch(dir string) {
	for p, wd := range w.wds {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			delete(w.wds, p)
			delete(w.paths, wd)
			_, _ = unix.InotifyRmWatch(w.fd, uint32(wd))
		}
	}
}

// othersReach names a filesystem that changes without this kernel's doing, ""
// for all others.
func othersReach(dir string) string {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return ""
	}
	return map[int64]string{
		unix.NFS_SUPER_MAGIC: "NFS", unix.SMB_SUPER_MAGIC: "SMB", unix.SMB2_SUPER_MAGIC: "SMB", unix.CIFS_SUPER_MAGIC: "SMB",
		unix.FUSE_SUPER_MAGIC: "FUSE", unix.V9FS_MAGIC: "9P", unix.CEPH_SUPER_MAGIC: "Ceph", unix.AFS_SUPER_MAGIC: "AFS",
	}[int64(st.Type)]
}
