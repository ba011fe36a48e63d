package spacedb

import "time"

// Hash is the SHA-256 of a content.
type Hash [32]byte

// Revision is one sealed content of a document.
type Revision struct {
	Document string    // the document's UUID
	Number   int       // from 1, within the document
	Path     string    // where the document was when it was sealed
	Time     time.Time // when it was sealed
	Origin   Origin
	Run      int64
	Mode     uint32
	Size     int64
	SHA256   Hash
	// Current: the document holds this content now.
	Current bool
	// Lost: content that lost a conflict and was never the document's own.
	Lost bool
}

// Mirror is a plain directory kept in step with the space.
type Mirror struct {
	ID   int64
	UUID string // what the directory's own marker says
	Path string // where it was last seen, absolute
	// Seq is the store's sequence number that the last complete sync saw:
	// journal entries up to it are already in the base.
	Seq      uint64
	LastSync time.Time // zero before the first
}

// BaseEntry is what space and mirror last agreed on for one path, with enough
// of what each side looked like to tell without reading that it is unchanged.
type BaseEntry struct {
	Path   string
	Mode   uint32 // type and permission bits as the space has them
	SHA256 Hash   // of a document's content
	Target string // of a symlink
	Size   int64  // of a document's content

	// The space's side.
	Node    NodeID
	Version uint64

	// The mirror's side, as stat(2) told it when the base was set.
	MirrorMode  uint32
	MirrorSize  int64
	MirrorMtime int64 // ns
	MirrorCtime int64 // ns
	MirrorInode uint64
}

// Run is one execution of sync, import, export, restore or undo.
type Run struct {
	ID       int64
	Kind     string // "sync", "import", "export"
	Mirror   int64  // 0 for none
	Started  time.Time
	Finished time.Time // zero while it runs, or if it was killed
	Outcome  string    // "ok", "partial", "failed", "stopped"; "" while it runs
	Detail   string    // one line
}

// ActionRecord is one thing a run did, or failed to do.
type ActionRecord struct {
	Path  string
	Op    string // the plan's word for it
	Side  string // "space" or "mirror"
	Error string // "" when done
}

// ConflictRecord is a conflict as it was found, and how it ended.
type ConflictRecord struct {
	ID       int64
	Mirror   int64
	Run      int64
	Path     string
	Kind     string // conflict.Kind's word
	Base     string // what each side held: hex SHA-256, "directory", "symlink TARGET", or "" for nothing
	Space    string
	Dir      string // the mirror's side
	Strategy string // the strategy that decided, or "manual"/"skip"
	Winner   string // "space", "directory", or "" while unresolved
	Found    time.Time
	Resolved time.Time // zero while unresolved
}

// Status is the state of an open store.
type Status struct {
	Path       string
	ID         string // the space's own UUID
	Usage      Usage
	Seq        uint64 // last operation
	DurableSeq uint64 // last operation known to survive power loss
	DirtyBytes int64  // content in memory that is not durable yet
	Commits    int64  // transactions since open
	Unsealed   int    // documents changed since their last revision
	// Trouble is why commits fail at the moment, "" when they do not.
	Trouble string
}
