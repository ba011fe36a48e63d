package fusefs

import (
	"path/filepath"
	"sync"

	"spacefs/spacedb"
)

// notifier tells the kernel, and through it every watcher, what somebody else
// than the mount changed. It runs on a goroutine of its own and holds nothing:
// the kernel may have to finish a request of ours before it takes a
// notification.
type notifier struct {
	server *Server
	watch  *spacedb.Watch
	done   sync.WaitGroup
}

func startNotifier(s *Server) *notifier {
	n := &notifier{server: s, watch: s.store.Watch()}
	n.done.Add(1)
	go n.run()
	return n
}

func (n *notifier) stop() {
	n.watch.Close()
	n.done.Wait()
}

func (n *notifier) run() {
	defer n.done.Done()
	for {
		changes, ok := n.watch.Next()
		if !ok {
			return
		}
		for _, c := range changes {
			n.invalidate(c)
		}
		for _, c := range changes {
			n.poke(c)
		}
	}
}

func (n *notifier) invalidate(c spacedb.Change) {
	server := n.server.fuse
	switch c.What {
	case spacedb.EntryAdded, spacedb.EntryRemoved:
		// The directory's attributes and listing first, then the name.
		server.InodeNotify(uint64(c.Parent), 0, 0)
		server.EntryNotify(uint64(c.Parent), c.Name)
		if c.What == spacedb.EntryRemoved {
			server.InodeNotify(uint64(c.Node), -1, 0) // its link count
		}
	case spacedb.ContentChanged:
		server.InodeNotify(uint64(c.Node), 0, 0)
	case spacedb.AttrChanged:
		server.InodeNotify(uint64(c.Node), -1, 0)
	}
}

// poke lets watchers see the change. What has gone cannot be touched any more:
// there the directory is.
func (n *notifier) poke(c spacedb.Change) {
	dir, err := n.server.store.Path(c.Parent)
	if c.Parent == 0 || err != nil {
		return
	}
	path, node := filepath.Join(n.server.dir, dir), c.Parent
	if c.What != spacedb.EntryRemoved {
		path, node = filepath.Join(path, c.Name), c.Node
	}
	n.server.poked.Store(node, nil)
	poke(path, c.What == spacedb.EntryAdded || c.What == spacedb.ContentChanged)
	n.server.poked.Delete(node)
}
