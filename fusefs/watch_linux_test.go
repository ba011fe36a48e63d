package fusefs_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spacefs/spacedb"
)

// Whoever watches the mount hears of what comes from behind as of what is done
// in it.
func TestWatchersHearOfChangesFromBehind(t *testing.T) {
	m := mount(t, spacedb.Options{})
	tree := m.behind()
	for _, name := range []string{"edited", "replaced", "removed", "moved", "over", "under"} {
		m.write(name, "old")
		m.read(name)
	}
	m.ok(os.Mkdir(m.path("d"), 0o755))
	m.ok(os.Mkdir(m.path("e"), 0o755))
	m.ok(os.Mkdir(m.path("d/sub"), 0o755))
	m.write("d/sub/f", "old")
	m.ok(m.store.Seal(context.Background()))
	inside, err := unix.Open(m.path("d/sub"), unix.O_PATH|unix.O_CLOEXEC, 0)
	m.ok(err)
	defer unix.Close(inside)
	id := func(path string) spacedb.NodeID {
		a, err := tree.Resolve(path)
		m.ok(err)
		return a.ID
	}

	for _, c := range []struct {
		what  string
		watch []string
		do    func() error
		heard []string
	}{
		{"a new document", []string{"", "d"},
			func() error { m.place("new", "text"); return nil },
			[]string{"CREATE new", "CLOSE_WRITE new"}},
		{"a new directory", []string{"", "d"},
			func() error {
				_, err := tree.PlaceDir("d/new", spacedb.Guard{Absent: true}, 0o755, 1)
				return err
			},
			[]string{"d/CREATE new"}},
		{"a replaced document", []string{"", "replaced"},
			func() error { m.place("replaced", "new"); return nil },
			[]string{"MOVED_TO replaced", "CLOSE_WRITE replaced", "replaced/ATTRIB", "replaced/DELETE_SELF"}},
		{"an edited document", []string{"", "edited"},
			func() error { _, err := tree.WriteAt(id("edited"), []byte("new"), 0); return err },
			[]string{"MODIFY edited", "CLOSE_WRITE edited", "edited/MODIFY", "edited/CLOSE_WRITE"}},
		{"other permissions", []string{"", "edited"},
			func() error {
				mode := uint32(0o600)
				_, err := tree.SetAttr(id("edited"), spacedb.AttrChange{Mode: &mode})
				return err
			},
			[]string{"ATTRIB edited", "edited/ATTRIB"}},
		{"a removed document", []string{"", "removed"},
			func() error { return tree.Unlink(spacedb.Root, "removed") },
			[]string{"DELETE removed", "removed/DELETE_SELF"}},
		{"a document moved", []string{"", "d", "moved"},
			func() error { return tree.Rename(spacedb.Root, "moved", id("d"), "there", 0) },
			[]string{"MOVED_FROM moved", "d/MOVED_TO there", "moved/MOVE_SELF"}},
		{"a document moved over another", []string{"", "over", "under"},
			func() error { return tree.Rename(spacedb.Root, "over", spacedb.Root, "under", 0) },
			[]string{"MOVED_FROM over", "MOVED_TO under", "over/MOVE_SELF", "under/DELETE_SELF"}},
		{"a directory moved", []string{"d", "e", "d/sub"},
			func() error { return tree.Rename(id("d"), "sub", id("e"), "dir", 0) },
			[]string{"d/MOVED_FROM sub", "e/MOVED_TO dir", "d/sub/MOVE_SELF"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWatcher(t, m, c.watch...)
			m.ok(c.do())
			for _, event := range c.heard {
				w.expect(event)
			}
		})
	}

	if got, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", inside)); err != nil || got != m.path("e/dir") {
		t.Errorf("who is in the moved directory is in %s (%v)", got, err)
	}
	for path, want := range map[string]string{"replaced": "new", "edited": "new", "new": "text", "under": "old", "d/there": "old", "e/dir/f": "old"} {
		if got := m.read(path); got != want {
			t.Errorf("%s is %q", path, got)
		}
	}
	for _, path := range []string{"removed", "moved", "over", "d/sub"} {
		if _, err := os.Lstat(m.path(path)); !os.IsNotExist(err) {
			t.Errorf("%s is still there (%v)", path, err)
		}
	}
	// Being heard is no change of ours.
	m.ok(m.store.Seal(context.Background()))
	m.ok(m.store.Sync())
	for path, want := range map[string]int{"new": 1, "replaced": 2, "e/dir/f": 1} {
		if list, err := m.store.History(path); err != nil || len(list) != want || list[0].Origin == spacedb.OriginMount && path == "new" {
			t.Errorf("%s has the history %+v (%v)", path, list, err)
		}
	}
}

// Who is in the middle of the changes must not make the echo wait for ever, nor
// the other way round.
func TestChangesFromBehindUnderLoad(t *testing.T) {
	m := mount(t, spacedb.Options{})
	w := newWatcher(t, m, "")
	stop := make(chan struct{})
	done := make(chan error)
	for range 2 {
		go func() {
			for {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				os.Rename(m.path("a"), m.path("b"))
				os.ReadDir(m.dir)
				os.Rename(m.path("b"), m.path("a"))
				m.try("a")
				os.Stat(m.path("c"))
			}
		}()
	}
	m.write("a", "x")
	tree := m.behind()
	for range 200 {
		_ = tree.Rename(spacedb.Root, "a", spacedb.Root, "c", 0)
		_ = tree.Rename(spacedb.Root, "c", spacedb.Root, "a", 0)
		_ = tree.Unlink(spacedb.Root, "b")
		if _, err := tree.Resolve("a"); err != nil {
			m.place("a", "x")
		}
	}
	close(stop)
	for range 2 {
		<-done
	}
	m.place("last", "x")
	w.expect("CREATE last")
	eventually(t, "the mount shows what is there", func() bool {
		var names []string
		entries, err := os.ReadDir(m.dir)
		m.ok(err)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		for _, name := range []string{"a", "b", "c", "last"} {
			_, there := tree.Resolve(name)
			_, err := os.Lstat(m.path(name))
			if (there == nil) != (err == nil) || (there == nil) != strings.Contains(" "+strings.Join(names, " ")+" ", " "+name+" ") {
				return false
			}
		}
		return true
	})
}

// watcher hears of what happens to files and in directories.
type watcher struct {
	*testing.T
	fd    int
	paths map[int32]string
	heard []string
}

func newWatcher(t *testing.T, m *mounted, paths ...string) *watcher {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	m.ok(err)
	w := &watcher{T: t, fd: fd, paths: map[int32]string{}}
	t.Cleanup(func() { unix.Close(fd) })
	for _, path := range paths {
		wd, err := unix.InotifyAddWatch(fd, m.path(path), unix.IN_ALL_EVENTS)
		m.ok(err)
		w.paths[int32(wd)] = path
	}
	return w
}

// expect waits for an event: "CREATE name" in the root, "d/CREATE name" in d,
// "f/ATTRIB" for f itself.
func (w *watcher) expect(event string) {
	w.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		w.read()
		for _, h := range w.heard {
			if h == event {
				return
			}
		}
		if time.Now().After(deadline) {
			w.Fatalf("never heard of %s, only of %q", event, w.heard)
		}
	}
}

var eventNames = map[uint32]string{
	unix.IN_ATTRIB: "ATTRIB", unix.IN_CLOSE_WRITE: "CLOSE_WRITE", unix.IN_CREATE: "CREATE", unix.IN_DELETE: "DELETE",
	unix.IN_DELETE_SELF: "DELETE_SELF", unix.IN_MODIFY: "MODIFY", unix.IN_MOVED_FROM: "MOVED_FROM", unix.IN_MOVED_TO: "MOVED_TO",
	unix.IN_MOVE_SELF: "MOVE_SELF",
}

func (w *watcher) read() {
	buf := make([]byte, 1<<16)
	n, _ := unix.Read(w.fd, buf)
	for buf = buf[:max(n, 0)]; len(buf) >= unix.SizeofInotifyEvent; {
		wd, mask, size := le32(buf), le32(buf[4:]), le32(buf[12:])
		name := string(bytes.TrimRight(buf[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+size], "\x00"))
		buf = buf[unix.SizeofInotifyEvent+size:]
		event := eventNames[mask&^unix.IN_ISDIR]
		if event == "" {
			continue
		}
		if path := w.paths[int32(wd)]; path != "" {
			event = path + "/" + event
		}
		w.heard = append(w.heard, strings.TrimSpace(event+" "+name))
	}
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}
