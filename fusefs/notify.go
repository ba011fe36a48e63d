package fusefs

import (
	"runtime"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"

	"spacefs/spacedb"
)

// notifier takes back what the kernel believes once somebody else than the
// mount changed it, and then lets the echo tell those who watch.
//
// It has a goroutine of its own and holds nothing that a request needs: before
// the kernel takes a notification, it may have to wait for requests of ours.
type notifier struct {
	server *Server
	echo   *echo
	tree   *spacedb.Tree
	watch  *spacedb.Watch
	begin  chan struct{}
	done   sync.WaitGroup
}

// newNotifier begins to listen; it acts from start on. Both start and stop must
// follow.
func newNotifier(s *Server, e *echo, w *spacedb.Watch) *notifier {
	n := &notifier{
		server: s,
		echo:   e,
		tree:   s.store.Tree(spacedb.Actor{Origin: spacedb.OriginMount}),
		watch:  w,
		begin:  make(chan struct{}),
	}
	n.done.Add(1)
	go n.run()
	return n
}

func (n *notifier) start() { close(n.begin) }

func (n *notifier) stop() {
	n.watch.Close()
	n.done.Wait()
}

func (n *notifier) run() {
	defer n.done.Done()
	<-n.begin
	// The echo is recognised by its thread. It is not unlocked: the thread ends
	// with this goroutine, and nobody else's requests are taken for ours.
	runtime.LockOSThread()
	n.visit(n.echo.introduce)
	for {
		changes, ok := n.watch.Next()
		if !ok {
			return
		}
		n.pass(sum(changes))
	}
}

func (n *notifier) visit(work func(*Server)) {
	n.server.visiting.RLock()
	defer n.server.visiting.RUnlock()
	work(n.server)
}

// echoes is how many changes of one batch are made heard. Whoever restores ten
// thousand documents is better served by getting done, and who watches by
// looking again.
const echoes = 512

// pass tells the kernel, and then the watchers.
func (n *notifier) pass(c changeSet) {
	known := map[spacedb.NodeID]bool{}
	left := echoes
	heard := func(parent spacedb.NodeID) bool {
		if known[parent] {
			left--
		}
		return known[parent] && left >= 0
	}
	for _, e := range c.entries {
		// The directory's times and listing; if the kernel does not know the
		// directory, it knows no name in it, and nobody watches.
		if _, asked := known[e.parent]; !asked {
			known[e.parent] = n.server.fuse.InodeNotify(uint64(e.parent), 0, 0) != fuse.ENOENT
		}
		if !known[e.parent] {
			continue
		}
		gone := e.was != 0 && n.isGone(e.was)
		if gone && e.is == 0 && heard(e.parent) {
			n.visit(func(s *Server) { n.echo.removed(s, e) })
		}
		if gone {
			n.server.fuse.DeleteNotify(uint64(e.parent), uint64(e.was), e.name)
		} else {
			n.server.fuse.EntryNotify(uint64(e.parent), e.name)
			n.server.fuse.InodeNotify(uint64(e.was), -1, 0) // its link count
		}
	}
	for _, d := range c.nodes {
		from := int64(-1) // attributes only
		if d.content {
			from = 0
		}
		n.server.fuse.InodeNotify(uint64(d.node), from, 0)
		if _, asked := known[d.parent]; !asked && d.parent != 0 {
			known[d.parent] = n.server.fuse.InodeNotify(uint64(d.parent), -1, 0) != fuse.ENOENT
		}
	}
	for _, e := range c.entries {
		if e.is != 0 && heard(e.parent) {
			n.visit(func(s *Server) { n.echo.added(s, e) })
		}
	}
	for _, d := range c.nodes {
		if heard(d.parent) {
			n.visit(func(s *Server) { n.echo.changed(s, d) })
		}
	}
}

func (n *notifier) isGone(id spacedb.NodeID) bool {
	a, err := n.tree.Attr(id)
	return err == spacedb.ErrNotFound || err == nil && a.Nlink == 0
}
