// Package conflict decides what a sync has to do. It is pure: three trees and a
// set of rules in, a plan out. It knows no disk, no database and no clock.
package conflict

import "spacefs/internal/attributes"

// Hash is the SHA-256 of a content.
type Hash [32]byte

// Kind is what an entry is.
type Kind uint8

const (
	Absent Kind = iota
	File
	Directory
	Symlink
)

func (k Kind) String() string {
	return [...]string{"nothing", "file", "directory", "symlink"}[k]
}

// Entry is what a side holds at a path; the zero Entry is nothing.
type Entry struct {
	Kind   Kind
	Mode   uint32 // permission bits; 0 for a symlink
	Hash   Hash   // of a file's content
	Target string // of a symlink
	Size   int64  // of a file
	Mtime  int64  // ns since 1970; only newer_wins looks at it

	// Attributes are the extended ones that are synced, of a file or directory; none
	// where nobody asked for them. Changed is when they were changed, at the latest:
	// the ctime, for newer_wins.
	Attributes attributes.Set
	Changed    int64

	// Who it is, on each side: a move keeps it. 0 is nobody. The base knows both.
	Node, Inode uint64
}

func (e Entry) id(s Side) uint64 {
	if s == Space {
		return e.Node
	}
	return e.Inode
}

// Same says whether two entries are the same to a user: kind, mode, content,
// target and extended attributes count, time and size do not.
func (e Entry) Same(o Entry) bool {
	return e.SameDocument(o) && e.Attributes == o.Attributes
}

// SameDocument is Same but for the extended attributes.
func (e Entry) SameDocument(o Entry) bool {
	return e.sameContent(o) && e.Mode == o.Mode
}

func (e Entry) sameContent(o Entry) bool {
	return e.Kind == o.Kind && e.Hash == o.Hash && e.Target == o.Target
}

// Tree is what a side holds, by clean slash-separated path; a path that is not
// in it is Absent. The root is implied.
type Tree map[string]Entry

// Side is where an action happens.
type Side uint8

const (
	Space Side = iota
	Mirror
)

func (s Side) String() string { return [...]string{"space", "mirror"}[s] }

func (s Side) other() Side { return Mirror - s }
