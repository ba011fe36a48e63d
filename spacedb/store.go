package spacedb

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Options of Open; the zero value is right for everything but tests.
type Options struct {
	Now   func() time.Time // the clock; time.Now if nil
	Quiet time.Duration    // how long a document rests before it is sealed; 2 s if 0
	// Unrest is how long a document may change without a rest before it is sealed
	// as it is; 5 minutes if 0.
	Unrest time.Duration
	Delay  time.Duration // how long a change may wait for company before it is committed; 500 ms if 0
	// Dirty is how many bytes of content may wait in memory; past it, writers
	// commit before they go on. 128 MiB if 0.
	Dirty int64
	// Nodes is how many nodes stay in memory when nothing needs them; 32768 if 0.
	Nodes int
	WAL   int64 // bytes of WAL that are worth a checkpoint; 16 MiB if 0
}

func (o Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// Store is one open space. Safe for concurrent use.
//
// Memory is authoritative: an operation changes nodes in memory under mu,
// takes the next sequence number, and answers. A commit cuts everything that
// is dirty, in one moment under mu, into a batch of rows, and writes it as one
// synced transaction. So the file always holds the tree as it was after some
// operation, never a mixture, and what a commit covers is durable.
//
// Lock order: sealing before node.content before committing before mu; packing
// before committing; reading is a leaf.
type Store struct {
	path    string
	id      string // the space's UUID
	options Options
	lock    *lockFile
	// readOnly: the file may not be written. Then trouble says so for ever, and there
	// are no goroutines, write and checkpoint.
	readOnly bool

	// sealing serialises those who make revisions.
	sealing sync.Mutex
	// packing serialises those who pack history and who prunes it; it guards hanging
	// (see packer) and packedAt, after which the file says the same.
	packing  sync.Mutex
	hanging  map[int64]int
	packedAt uint64
	// checkpointing serialises those who copy the WAL: beside another one SQLite
	// copies nothing. It comes before committing.
	checkpointing sync.Mutex
	// committing serialises commits; it guards write, running and redo.
	committing sync.Mutex
	write      *conn
	running    *batch // cut and not durable yet
	redo       redoLog
	// checkpoint belongs to the checkpointer alone.
	checkpoint *conn
	readers    readerPool

	mu sync.Mutex // guards everything from here to the blank line, and every node
	// meta reads the tree's rows; memory overrides what it finds.
	meta       *conn
	nodes      map[NodeID]*node
	evictAt    int // how many nodes are too many
	references references
	seq        uint64
	last       counters
	dirty      map[*node]struct{}
	pending    records  // rows that wait for the next commit beside the nodes'
	inFlight   *records // those of the running commit
	unsealed   map[NodeID]*node
	// overtaken is the revision of a document that was made last of content that
	// went. What is there now comes after it, even if it came before it too.
	overtaken   map[int64]int64
	superseded  []supersession // revisions to pack
	detached    detachments
	anyDetached bool
	vacated     map[place]vacancy
	linked      map[NodeID]place // where what was linked may take up what was removed
	clean       pageQueue
	trouble     error // why the last commit failed, nil if it did not
	sweep       bool  // unsealed documents may be in the file that are not in memory
	moments     moments
	basesMoved  uint64 // how often a mirror's base did
	keepNodes   bool   // nothing is evicted: a prune goes on
	lastRun     int64  // number of the last run, 0: not read yet
	closed      bool
	cleanly     bool // nothing is left to seal or sweep: set by finish

	durable    atomic.Uint64 // every operation up to it survives power loss
	committed  atomic.Uint64 // every operation up to it is in the tables
	dirtyBytes atomic.Int64  // content waiting for a commit, or in one
	usageNodes atomic.Int64
	usageBytes atomic.Int64
	commits    atomic.Int64
	walBytes   atomic.Int64 // written since the last checkpoint, about
	busy       atomic.Pointer[func(NodeID) bool]
	junk       atomic.Pointer[junkRules]
	watchers   watchers
	pulses     pulses

	wake    chan struct{} // something is dirty
	enough  chan struct{} // what is dirty is worth a commit
	long    chan struct{} // the WAL is long
	asked   chan struct{} // somebody waited for a commit
	waited  atomic.Bool   // asked has been told
	stop    chan struct{}
	stopped sync.WaitGroup
}

// counters are the last ids given out. They only grow.
type counters struct {
	node     NodeID
	chunk    int64
	document int64
	revision int64
}

func newStore(path string, o Options, lock *lockFile) *Store {
	if o.Quiet == 0 {
		o.Quiet = 2 * time.Second
	}
	if o.Unrest == 0 {
		o.Unrest = 5 * time.Minute
	}
	if o.Delay == 0 {
		o.Delay = 500 * time.Millisecond
	}
	if o.Dirty == 0 {
		o.Dirty = 128 << 20
	}
	if o.WAL == 0 {
		o.WAL = 16 << 20
	}
	if o.Nodes == 0 {
		o.Nodes = 1 << 15
	}
	return &Store{
		path:      path,
		options:   o,
		lock:      lock,
		nodes:     map[NodeID]*node{},
		evictAt:   o.Nodes,
		dirty:     map[*node]struct{}{},
		unsealed:  map[NodeID]*node{},
		overtaken: map[int64]int64{},
		vacated:   map[place]vacancy{},
		linked:    map[NodeID]place{},
		hanging:   map[int64]int{},
		readers:   readerPool{path: path, mode: modeRead},
		wake:      make(chan struct{}, 1),
		enough:    make(chan struct{}, 1),
		long:      make(chan struct{}, 1),
		asked:     make(chan struct{}, 1),
		stop:      make(chan struct{}),
	}
}

func (s *Store) now() int64 { return s.options.now().UnixNano() }

// start runs the store's own goroutines; Close waits for them.
func (s *Store) start() {
	s.stopped.Add(3)
	go s.runCommitter()
	go s.runSealer()
	go s.runCheckpointer()
}

// Close seals every document, makes everything durable and closes the file.
// When it fails, what could not be written is lost with the process, and the
// error says so; the file is as after the last commit.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.closed = true // no operation starts from here on
	s.mu.Unlock()
	close(s.stop)
	s.stopped.Wait()
	s.watchers.close()
	var err error
	if !s.readOnly {
		err = s.finish()
	}
	return errors.Join(err, s.closeFiles())
}

// closeFiles closes what is open, the writer last: it truncates the WAL.
func (s *Store) closeFiles() error {
	err := s.readers.close()
	for _, c := range []*conn{s.meta, s.checkpoint, s.write} {
		if c != nil {
			err = errors.Join(err, c.close())
		}
	}
	return errors.Join(err, s.lock.release())
}

// Announce tells other processes, through the lock file, where this one listens.
func (s *Store) Announce(h Holder) error { return s.lock.announce(h) }

// SetBusy installs the question whether a program still has a document open
// for writing; such a document is not sealed by itself. It is asked from a
// goroutine that holds no lock.
func (s *Store) SetBusy(f func(NodeID) bool) { s.busy.Store(&f) }

// Usage never waits for a lock.
func (s *Store) Usage() Usage {
	return Usage{Nodes: s.usageNodes.Load(), Bytes: s.usageBytes.Load()}
}

// File is the space file's path.
func (s *Store) File() string { return s.path }

// Files are all the files that belong to the space; those beside the first come
// and go.
func (s *Store) Files() []string {
	return []string{s.path, s.path + "-wal", s.path + "-shm", s.path + lockSuffix}
}

// ID is the space's UUID.
func (s *Store) ID() string { return s.id }

func (s *Store) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{
		Path:       s.path,
		ID:         s.id,
		Usage:      s.Usage(),
		Seq:        s.seq,
		DurableSeq: s.durable.Load(),
		TablesSeq:  s.committed.Load(),
		DirtyBytes: s.dirtyBytes.Load(),
		Commits:    s.commits.Load(),
		Unsealed:   len(s.unsealed),
		Unpacked:   len(s.superseded),
		ReadOnly:   s.readOnly,
	}
	if s.trouble != nil && !s.readOnly {
		st.Trouble = s.trouble.Error()
	}
	return st
}
