package spacedb

import (
	"encoding/hex"
	"fmt"
	"time"

	"spacefs/internal/attributes"
)

// Hash is the SHA-256 of a content.
type Hash [32]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes the hash as hex.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (h *Hash) UnmarshalText(text []byte) error {
	if n, err := hex.Decode(h[:], text); err != nil || n != len(h) {
		return fmt.Errorf("%q is no hash", text)
	}
	return nil
}

// Revision is one sealed content of a document.
type Revision struct {
	Document string    `json:"document"`      // the document's UUID
	Number   int       `json:"number"`        // from 1, within the document
	Path     string    `json:"path"`          // where the document was when it was sealed
	Time     time.Time `json:"time,omitzero"` // when it was sealed
	Origin   Origin    `json:"origin"`
	Run      int64     `json:"run"`
	Mode     uint32    `json:"mode"`
	Mtime    time.Time `json:"modified,omitzero"`
	Size     int64     `json:"size"`
	SHA256   Hash      `json:"sha256"`
	// Current: the document holds this content now.
	Current bool `json:"current"`
	// Lost: content that lost a conflict and was never the document's own.
	Lost bool `json:"lost"`
}

// Mirror is a plain directory kept in step with the space.
type Mirror struct {
	ID   int64  `json:"id"`
	UUID string `json:"uuid"` // what the directory's own marker says
	Path string `json:"path"` // where it was last seen, absolute
	// Seq is the store's sequence number that the last complete sync saw:
	// journal entries up to it are already in the base.
	Seq      uint64    `json:"seq"`
	LastSync time.Time `json:"last_sync,omitzero"` // zero before the first
	// Metadata: extended attributes are synced too, if there are any there.
	Metadata      bool          `json:"metadata,omitempty"`
	MetadataState MetadataState `json:"-"`
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

	// Attributes are the extended ones that were agreed on, for who asked for them;
	// setting a base does not set them.
	Attributes attributes.Set
}

// Run is one execution of sync, import, export, restore or undo.
type Run struct {
	ID       int64     `json:"id"`
	Kind     string    `json:"kind"`   // "sync", "import", "undo", "apply"
	Mirror   int64     `json:"mirror"` // 0 for none
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"` // zero while it runs, or if it was killed
	Outcome  string    `json:"outcome"`           // "ok", "partial", "conflicts", "interrupted", "failed"; "" while it runs
	Detail   string    `json:"detail"`            // one line
}

// ConflictRecord is a conflict as it was found, and how it ended.
type ConflictRecord struct {
	ID     int64  `json:"id"`
	Mirror int64  `json:"mirror"`
	Run    int64  `json:"run"`
	Path   string `json:"path"`
	Kind   string `json:"kind"` // conflict.Kind's word
	Base   string `json:"base"` // what each side held: hex SHA-256, "directory", "symlink TARGET", or "" for nothing
	// Attribute is the name of the attribute that it is about; then the sides hold
	// values. "": it is about what is at the path.
	Attribute string    `json:"attribute,omitempty"`
	Space     string    `json:"space"`
	Dir       string    `json:"mirror_side"` // the mirror's side
	Strategy  string    `json:"strategy"`    // the strategy that decided, or "manual"/"skip"
	Winner    string    `json:"winner"`      // "space", "directory", or "" while unresolved
	Found     time.Time `json:"found,omitzero"`
	Resolved  time.Time `json:"resolved,omitzero"` // zero while unresolved
}

// Status is the state of an open store.
type Status struct {
	Path       string `json:"path"`
	ID         string `json:"id"` // the space's own UUID
	Usage      Usage  `json:"usage"`
	Seq        uint64 `json:"seq"`         // last operation
	DurableSeq uint64 `json:"durable_seq"` // last operation known to survive power loss
	TablesSeq  uint64 `json:"tables_seq"`  // last operation that every table has; the redo log has the rest
	DirtyBytes int64  `json:"dirty_bytes"` // content in memory that is not durable yet
	Commits    int64  `json:"commits"`     // transactions since open
	Unsealed   int    `json:"unsealed"`    // documents changed since their last revision
	Unpacked   int    `json:"unpacked"`    // revisions that wait to be packed
	ReadOnly   bool   `json:"read_only"`   // the file may not be written: every change is refused
	// Trouble is why commits fail at the moment, "" when they do not.
	Trouble string `json:"trouble"`
}
