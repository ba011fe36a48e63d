package spacedb

import "sync"

// Change is something that another actor than the mount did to the tree.
type Change struct {
	Origin Origin
	Node   NodeID
	Parent NodeID // with Name, an entry that names the node; 0 when unknown
	Name   string
	What   ChangeKind
}

// ChangeKind is what happened.
type ChangeKind uint8

const (
	EntryAdded     ChangeKind = iota + 1 // Parent/Name now names Node
	EntryRemoved                         // Parent/Name no longer names Node
	ContentChanged                       // Node has other bytes
	AttrChanged                          // Node has other attributes
)

// Watch delivers changes in order to one receiver. It never makes the changer
// wait: what is not fetched yet is queued.
type Watch struct {
	from   *watchers
	settle func() // returns when no operation is under way

	mu     sync.Mutex
	ready  sync.Cond
	queue  []Change
	closed bool

	// How many changes were queued so far, how many of them Next returned, and with
	// how many the receiver is through.
	told, taken, through uint64
	waiting              []awaited // in the order of upTo
}

// awaited is closed when the receiver is through with so many changes.
type awaited struct {
	upTo   uint64
	closed chan struct{}
}

type watchers struct {
	mu  sync.Mutex
	all map[*Watch]struct{}
}

// Watch starts watching; Close it.
func (s *Store) Watch() *Watch {
	w := &Watch{from: &s.watchers, settle: func() {
		s.mu.Lock()   // who changes the tree holds it until everything is told
		s.mu.Unlock() //lint:ignore SA2001 to have had it is the point
	}}
	w.ready.L = &w.mu
	s.watchers.mu.Lock()
	defer s.watchers.mu.Unlock()
	if s.watchers.all == nil {
		s.watchers.all = map[*Watch]struct{}{}
	}
	s.watchers.all[w] = struct{}{}
	return w
}

// Next waits for changes; ok is false after Close. What one operation tells comes
// together: a rename is never seen by halves. Who asks is through with what came
// before, and must ask until there is no more.
func (w *Watch) Next() (changes []Change, ok bool) {
	w.mu.Lock()
	w.letGo()
	for len(w.queue) == 0 && !w.closed {
		w.ready.Wait()
	}
	w.mu.Unlock()
	w.settle()
	w.mu.Lock()
	defer w.mu.Unlock()
	changes, w.queue = w.queue, nil
	w.taken = w.told
	return changes, len(changes) > 0
}

// letGo is called with mu held.
func (w *Watch) letGo() {
	w.through = w.taken
	for len(w.waiting) > 0 && w.waiting[0].upTo <= w.through {
		close(w.waiting[0].closed)
		w.waiting = w.waiting[1:]
	}
}

// Through returns a channel that is closed once the receiver is through with all
// that was told so far: every operation that has returned by now.
func (w *Watch) Through() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := awaited{w.told, make(chan struct{})}
	if a.upTo <= w.through {
		close(a.closed)
	} else {
		w.waiting = append(w.waiting, a)
	}
	return a.closed
}

// Close ends the watch; Next returns what is left and then false.
func (w *Watch) Close() {
	w.from.mu.Lock()
	delete(w.from.all, w)
	w.from.mu.Unlock()
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.ready.Broadcast()
}

// tell queues a change for every watch. The mount knows what it did itself.
func (ws *watchers) tell(by Actor, c Change) {
	if by.Origin == OriginMount {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		w.mu.Lock()
		w.queue = append(w.queue, c)
		w.told++
		w.mu.Unlock()
		w.ready.Signal()
	}
}

func (ws *watchers) close() {
	ws.mu.Lock()
	var all []*Watch
	for w := range ws.all {
		all = append(all, w)
	}
	ws.mu.Unlock()
	for _, w := range all {
		w.Close()
	}
}
