package fusefs

import (
	"context"
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

// CatchUp returns once the kernel knows of everything that somebody else than the
// mount has changed so far, when the mount ends, or with the context's error:
// the kernel may keep us waiting. Who calls it holds nothing that a request needs.
func (s *Server) CatchUp(ctx context.Context) error {
	select {
	case <-s.notifier.watch.Through():
	case <-s.over:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (n *notifier) run() {
	defer n.done.Done()
	<-n.begin
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
	if !n.server.isShut {
		work(n.server)
	}
}

// echoes is how many changes of one batch are made heard. Whoever restores ten
// thousand documents is better served by getting done, and who watches by
// looking again.
const echoes = 512

// pass tells the kernel, and the watchers.
func (n *notifier) pass(c changeSet) {
	p := passing{notifier: n, left: echoes, known: map[spacedb.NodeID]bool{}, told: map[place]bool{}}
	for _, e := range c.entries {
		p.moved(e)
	}
	for _, e := range c.entries {
		p.went(e)
	}
	for _, d := range c.nodes {
		p.stale(d)
	}
	for _, e := range c.entries {
		if e.is != 0 && !p.told[e.place] && p.heard(e.parent) {
			n.visit(func(s *Server) { n.echo.added(s, e) })
		}
	}
	for _, d := range c.nodes {
		if p.heard(d.parent) {
			n.visit(func(s *Server) { n.echo.changed(s, d) })
		}
	}
}

// passing is one pass.
type passing struct {
	*notifier
	left  int                     // echoes
	known map[spacedb.NodeID]bool // directories, to the kernel
	told  map[place]bool          // the kernel made the change itself, and knows
}

// knows takes back what the kernel believes of a directory's times and listing.
// If it does not know the directory, it knows no name in it, and nobody watches.
func (p *passing) knows(dir spacedb.NodeID) bool {
	known, asked := p.known[dir]
	if !asked {
		known = p.server.fuse.InodeNotify(uint64(dir), 0, 0) != fuse.ENOENT
		p.known[dir] = known
	}
	return known
}

func (p *passing) heard(dir spacedb.NodeID) bool {
	if p.known[dir] {
		p.left--
	}
	return p.known[dir] && p.left >= 0
}

// moved comes first: as long as the kernel believes in the old name, it moves
// what it has, and who works in a directory that moved stays in it.
func (p *passing) moved(e entryChange) {
	if e.from == nil || !p.knows(e.from.parent) || !p.knows(e.parent) || !p.heard(e.parent) {
		return
	}
	p.visit(func(s *Server) {
		if p.echo.moved(s, *e.from, e) {
			p.told[*e.from], p.told[e.place] = true, true
		}
	})
}

// went takes back what the kernel believes of a name.
func (p *passing) went(e entryChange) {
	if !p.knows(e.parent) {
		return
	}
	gone := e.was != 0 && p.isGone(e.was)
	if e.was != 0 && (gone || e.is != 0) && !p.told[e.place] && p.heard(e.parent) {
		p.visit(func(s *Server) {
			if e.is != 0 {
				p.told[e.place] = p.echo.replaced(s, e)
			} else {
				p.echo.removed(s, e)
			}
		})
	}
	switch {
	case gone && !p.told[e.place]:
		p.server.visitor.keptOut(func() { p.server.fuse.DeleteNotify(uint64(e.parent), uint64(e.was), e.name) })
		return
	case !p.told[e.place]:
		p.server.visitor.keptOut(func() { p.server.fuse.EntryNotify(uint64(e.parent), e.name) })
	}
	p.server.fuse.InodeNotify(uint64(e.was), -1, 0) // its link count
}

// stale takes back what the kernel believes of a node.
func (p *passing) stale(d nodeChange) {
	from := int64(-1) // attributes only
	if d.content {
		from = 0
	}
	p.server.fuse.InodeNotify(uint64(d.node), from, 0)
	if _, asked := p.known[d.parent]; !asked && d.parent != 0 {
		p.known[d.parent] = p.server.fuse.InodeNotify(uint64(d.parent), -1, 0) != fuse.ENOENT
	}
}

func (n *notifier) isGone(id spacedb.NodeID) bool {
	a, err := n.tree.Attr(id)
	return err == spacedb.ErrNotFound || err == nil && a.Nlink == 0
}
