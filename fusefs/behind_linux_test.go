package fusefs_test

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spacefs/spacedb"
)

func TestChangesFromBehindAreSeenAndWatched(t *testing.T) {
	m := mount(t, spacedb.Options{Quiet: time.Hour, Delay: time.Hour}) // what was durable once would be a revision
	m.write("f", "old")
	m.read("f")
	os.Stat(m.path("new"))
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	m.ok(err)
	defer unix.Close(watch)
	_, err = unix.InotifyAddWatch(watch, m.dir, unix.IN_ATTRIB|unix.IN_CLOSE_WRITE)
	m.ok(err)

	m.place("f", "from behind")
	m.place("new", "from behind")
	eventually(t, "content seen", func() bool { return m.try("f") == "from behind" && m.try("new") == "from behind" })
	buf := make([]byte, 4096)
	eventually(t, "an inotify event", func() bool { n, _ := unix.Read(watch, buf); return n > 0 })
	m.ok(m.store.Seal(context.Background()))
	list, err := m.store.History("f")
	m.ok(err)
	if len(list) != 1 {
		t.Errorf("the poke made a revision: %+v", list)
	}
}

func (m *mounted) try(name string) string {
	b, _ := os.ReadFile(m.path(name))
	return string(b)
}

func TestDocumentsOpenForWritingAreNotSealed(t *testing.T) {
	m := mount(t, spacedb.Options{Quiet: 20 * time.Millisecond})
	f, err := os.Create(m.path("f"))
	m.ok(err)
	_, err = f.WriteString("half")
	m.ok(err)
	m.write("other", "whole")
	eventually(t, "other sealed", func() bool { l, _ := m.store.History("other"); return len(l) == 1 })
	if l, _ := m.store.History("f"); len(l) != 0 {
		t.Errorf("sealed while open: %+v", l)
	}
	_, err = f.WriteString(" and whole")
	m.ok(err)
	m.ok(f.Close())
	eventually(t, "f sealed", func() bool { l, _ := m.store.History("f"); return len(l) == 1 && l[0].Size == 14 })

	// Nor between truncate and close, however long that takes.
	f, err = os.OpenFile(m.path("f"), os.O_WRONLY|os.O_TRUNC, 0)
	m.ok(err)
	m.write("another", "whole")
	eventually(t, "another sealed", func() bool { l, _ := m.store.History("another"); return len(l) == 1 })
	_, err = f.WriteString("new")
	m.ok(err)
	m.ok(f.Close())
	eventually(t, "f sealed again", func() bool { l, _ := m.store.History("f"); return len(l) == 2 })
	if l, _ := m.store.History("f"); l[0].Size != 3 {
		t.Errorf("sealed while it was empty: %+v", l)
	}
}

// Asking who writes takes a lease for a moment, which stands in the way of who
// opens the document to write: that waits, and is never refused.
func TestAskingWhoWritesRefusesNobodyWhoWaits(t *testing.T) {
	m := mount(t, spacedb.Options{Quiet: time.Hour})
	m.write("f", "text")
	var st unix.Stat_t
	m.ok(unix.Stat(m.path("f"), &st))
	done := make(chan struct{})
	var asked atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
				m.server.Busy(spacedb.NodeID(st.Ino))
				asked.Add(1)
			}
		}
	}()
	for opened := 0; opened < 20000 || asked.Load() < 1000; opened++ { // who gets how much of the processor is chance
		fd, err := unix.Open(m.path("f"), unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Errorf("open: %v", err)
			break
		}
		m.ok(unix.Close(fd))
	}
	close(done)
	<-ended
}
