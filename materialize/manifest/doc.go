// Package manifest is the format of the file that an export leaves beside what
// it wrote: what each name is, and what it held. docs/manifest.md describes it.
//
// A manifest comes back from wherever the export was. Nothing in it is believed
// before Read and Check have seen it; what it says about files is still only
// what was true when it was written. This package touches no file.
package manifest

import (
	"errors"

	"spacefs/internal/attributes"
)

// Name is the manifest's, at the top of an export.
const Name = ".spacefs-manifest.jsonl"

// Format is the version this package writes.
const Format = 1

// Kind of an entry.
type Kind string

const (
	Directory Kind = "directory"
	Document  Kind = "document"
	Symlink   Kind = "symlink"
	Metadata  Kind = "metadata" // what is known of the document at Path; not itself in the space
	Contents  Kind = "contents" // a table of contents of the directory at Path; not itself in the space
)

// Header is the first line.
type Header struct {
	Format   int      `json:"spacefs_manifest"`
	Space    string   `json:"space"` // its UUID
	Variant  string   `json:"variant"`
	Seq      uint64   `json:"seq"`          // the last operation that the export saw; 0: it saw the past
	At       string   `json:"at,omitempty"` // the moment that was exported, if it was not the present
	Include  []string `json:"include,omitempty"`
	Exclude  []string `json:"exclude,omitempty"`
	Metadata bool     `json:"metadata,omitempty"`
	Index    bool     `json:"index,omitempty"`
}

// Entry is one thing in the export.
type Entry struct {
	Kind Kind
	Path string // in the space
	Name string // in the export; "" for a directory that a flat export does not have
	Mode uint32 // permission bits
	// Mtime is nanoseconds since 1970.
	Mtime int64

	Size       int64          // of what has content
	SHA256     [32]byte       // of what has content
	Target     string         // of a symlink
	ID         string         // of a document or symlink: its UUID; "" while it has none
	Attributes attributes.Set // of a directory or document: the extended ones, in an export with metadata
	Revision   int            // of a document: the number of the revision this is; 0: it was not sealed yet
}

// Manifest is all of it.
type Manifest struct {
	Header
	Entries []Entry
}

var (
	// ErrTruncated: the end is missing.
	ErrTruncated = errors.New("the manifest is truncated")
	// ErrNewer: a later version of the format.
	ErrNewer = errors.New("the manifest was written by a newer spacefs")
	// ErrInvalid: it says what no export writes.
	ErrInvalid = errors.New("the manifest is damaged")
)

// hasContent: Size and SHA256 mean something.
func (k Kind) hasContent() bool { return k == Document || k == Metadata || k == Contents }

// inSpace: it is at Path in the space, and not made for the export.
func (k Kind) inSpace() bool { return k == Directory || k == Document || k == Symlink }
