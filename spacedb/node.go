package spacedb

import "sync"

// node is an inode in memory. Everything but content is guarded by Store.mu.
//
// A node stays in memory while it is dirty, being committed, pinned, or an
// orphan; otherwise it may be evicted and read again.
type node struct {
	id       NodeID
	mode     uint32
	nlink    uint32
	uid, gid uint32
	rdev     uint32
	size     int64
	atime    int64
	mtime    int64
	ctime    int64
	btime    int64
	version  uint64

	// parent and name are one entry that names the node: always right for a
	// directory; for others 0 when unknown.
	parent NodeID
	name   string

	dir *directory // of directories

	// content is held shared by who reads the node's bytes and alone by who
	// changes them. It comes before Store.mu.
	content sync.RWMutex
	chunk   int64           // first chunk's id, 0: a hole
	extents map[int64]int64 // index to id of the others; nil: not read yet
	overlay *overlay        // patches, read with the extents; nil: none
	chunks  int64           // stored chunks
	shared  int64           // ids up to it may be used elsewhere too, and history holds them
	pages   map[int64]*page // chunks in memory

	history
	sealed   bool      // content is history.revision's
	kept     bool      // content is in the history of a document it left
	owed     debt      // content is to go into the history of a document it left
	changed  int64     // when content last changed; what the quiet time is measured from
	since    int64     // when it first changed after it was sealed last, 0: it did not
	seals    []sealing // revisions of this content that the next commit writes
	freed    []int64   // private chunks to delete
	punched  []int64   // extents to delete
	copied   []int64   // indexes of chunks that are another node's too: extents to write
	xattrs   int
	gone     bool // disposed: no operation may bring it back
	stored   bool // the file has (or a running commit is writing) a row
	dirty    dirtyBits
	inFlight int // commits that are writing it
	pins     int
	refs     uint64 // the kernel's
	used     bool   // since the last sweep
	staged   bool   // on its way to a path: no orphan
	nameless bool   // made without a name; Link may give it its first
	mourned  bool   // seal its content before it goes
	by       Actor  // who changed it last
	wroteBy  Actor  // who changed its content last
	at       uint64 // sequence number of that
}

// history is which document a node carries, and that document's last revision.
type history struct {
	document int64 // 0: none yet
	revision int64 // 0: none
	sha256   Hash  // of that revision
}

// debt is a revision that a document is still owed by content that left it for
// a junk name.
// Of content that is mourned there is only the path: where it was last.
type debt struct {
	history
	path string
	by   Actor
}

type dirtyBits uint8

const (
	dirtyRow     dirtyBits = 1 << iota // the node row
	dirtyContent                       // pages, extents, freed chunks
	dirtyJournal                       // the node itself changed: worth a journal row
	dirtyEntries                       // the directory's changed entries
)

// directory is what is known of a directory's entries.
//
// Invariant: an entry that is dirty or being committed is in entries, as a
// tombstone if it was removed, unless complete: then absence says the same.
type directory struct {
	entries  map[string]NodeID // 0 is a tombstone: known to be absent
	complete bool              // entries holds them all
	misses   int               // names that were looked for in vain
	order    []ordered         // by cookie, names that went included; nil before it is listed
	late     []ordered         // names that came since order was built
	changed  map[string]change // since the last cut
}

type ordered struct {
	cookie uint64
	name   string
}

type change struct {
	at       uint64
	by       Actor
	lapsed   bool  // the file's entry ends with it
	document int64 // that the entry's node carried then
}

func (n *node) isDir() bool     { return n.mode&TypeMask == TypeDir }
func (n *node) isRegular() bool { return n.mode&TypeMask == TypeRegular }

// holdsContent: a symlink's target is its content, sealed and kept like a
// document's.
func (n *node) holdsContent() bool {
	t := n.mode & TypeMask
	return t == TypeRegular || t == TypeSymlink
}

func (n *node) attr() Attr {
	return Attr{
		ID: n.id, Mode: n.mode, Nlink: n.nlink, UID: n.uid, GID: n.gid, Rdev: n.rdev,
		Size: n.size, Blocks: n.blocks(), Atime: n.atime, Mtime: n.mtime, Ctime: n.ctime, Btime: n.btime,
		Version: n.version,
	}
}

// blocks counts stored chunks; the last one ends where the content does.
func (n *node) blocks() int64 {
	if n.isDir() {
		return 8
	}
	stored := n.chunks * chunkSize
	if whole := (n.size + 4095) &^ 4095; stored > whole {
		stored = whole
	}
	return stored / 512
}

// evictable: what waits to be sealed stays; what never is sealed, as junk, goes.
func (s *Store) evictable(n *node) bool {
	return n.dirty == 0 && n.inFlight == 0 && n.pins == 0 && n.nlink > 0 && len(n.seals) == 0 && n.id != Root &&
		s.unsealed[n.id] == nil
}

// node returns the live node id, reading it if need be.
func (s *Store) node(id NodeID) (*node, error) {
	if n := s.nodes[id]; n != nil {
		if n.gone {
			return nil, ErrNotFound
		}
		n.used = true
		return n, nil
	}
	var n *node
	found, err := s.meta.one(func(r row) (err error) {
		n, err = scanNode(r)
		return err
	}, `SELECT `+nodeColumns+` FROM node WHERE id = ?`, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, ErrNotFound
	}
	return s.adopt(n), nil
}

// adopt puts a node that was just read into memory, unless it is there already.
func (s *Store) adopt(n *node) *node {
	if have := s.nodes[n.id]; have != nil {
		return have
	}
	n.refs = s.references.take(n.id)
	s.nodes[n.id] = n
	if n.holdsContent() && !n.sealed {
		n.changed = min(n.ctime, s.now()) // the file does not know better
		if n.nlink > 0 {
			s.unsealed[n.id] = n
		}
	}
	return n
}

// lockTree is how an operation takes mu. Nodes are evicted only here, before
// the operation has its hands on any: one that must outlive the lock is pinned.
func (s *Store) lockTree() {
	s.mu.Lock()
	if len(s.nodes) > s.evictAt && !s.keepNodes {
		s.evict()
		// When little could go, do not look again at every operation.
		s.evictAt = max(s.options.Nodes, len(s.nodes)+s.options.Nodes/4)
	}
}

// evict drops about a quarter of the nodes, those not used since the last
// time first. Go's random map order is all the clock it needs.
func (s *Store) evict() {
	target := s.options.Nodes * 3 / 4
	for range 2 {
		for _, n := range s.nodes {
			if len(s.nodes) <= target {
				return
			}
			if !s.evictable(n) {
				continue
			}
			if n.used {
				n.used = false
				continue
			}
			s.drop(n)
		}
	}
}

func (s *Store) drop(n *node) {
	s.references.put(n.id, n.refs)
	for idx := range n.pages {
		s.dropPage(n, idx)
	}
	delete(s.nodes, n.id)
	delete(s.unsealed, n.id)
}

const nodeColumns = `node.id, mode, nlink, uid, gid, rdev, size, atime, mtime, ctime, btime, version,
	chunk, chunks, shared, document, revision, sha256, sealed, xattrs`

// scanNode reads nodeColumns. A row that no spacefs wrote is refused here, so
// that nothing behind it has to ask.
func scanNode(r row) (*node, error) {
	n := &node{
		id: NodeID(r.int(0)), mode: uint32(r.int(1)), nlink: uint32(r.int(2)),
		uid: uint32(r.int(3)), gid: uint32(r.int(4)), rdev: uint32(r.int(5)), size: r.int(6),
		atime: r.int(7), mtime: r.int(8), ctime: r.int(9), btime: r.int(10), version: uint64(r.int(11)),
		chunk: r.int(12), chunks: r.int(13), shared: r.int(14),
		history: history{document: r.int(15), revision: r.int(16), sha256: r.hash(17)},
		sealed:  r.int(18) == 1, xattrs: int(r.int(19)),
		stored: true, used: true,
	}
	if !n.sealed {
		// It was changed by programs, for what a sync brings is sealed at once; when,
		// the last change of anything tells best: the mtime is anybody's to set.
		n.changed, n.wroteBy = n.ctime, Actor{Origin: OriginMount}
	}
	switch t := n.mode & TypeMask; {
	case n.id == 0 || r.int(0) < 0:
		return nil, damaged("node row %d", r.int(0))
	case n.size < 0 || n.size > MaxSize || n.chunks < 0 || n.chunk < 0:
		return nil, damaged("node %d has size %d in %d chunks", n.id, n.size, n.chunks)
	case n.mode&^(TypeMask|PermMask) != 0 || !knownType(t):
		return nil, damaged("node %d has mode %o", n.id, n.mode)
	case t == TypeDir:
		n.dir = &directory{entries: map[string]NodeID{}}
	case t == TypeSymlink && (n.size > MaxTarget || n.size == 0):
		return nil, damaged("symlink %d has a target of %d bytes", n.id, n.size)
	}
	return n, nil
}

func knownType(t uint32) bool {
	switch t {
	case TypeRegular, TypeDir, TypeSymlink, TypeFIFO, TypeSocket, TypeChar, TypeBlock:
		return true
	}
	return false
}

// checkName refuses what no directory may hold, from a program or from a file.
func checkName(name string) error {
	switch {
	case len(name) > MaxName:
		return ErrNameTooLong
	case name == "" || name == "." || name == "..":
		return ErrInvalid
	}
	for i := 0; i < len(name); i++ {
		if name[i] == '/' || name[i] == 0 {
			return ErrInvalid
		}
	}
	return nil
}
