// Package fold gives the paths of a space the names that an export writes them
// under, and finds the paths again. It is pure: it decides, and touches nothing.
package fold

import (
	"fmt"
	"strings"
)

// Variant is the shape of an export.
type Variant string

const (
	ByPath       Variant = "by_path"      // the tree as it is
	Flat         Variant = "flat"         // one directory
	Hierarchical Variant = "hierarchical" // a document beside a folder of its stem is that folder's index
)

// ParseVariant reads the word; - and _ are the same in it, and "" is ByPath.
func ParseVariant(text string) (Variant, error) {
	switch v := Variant(strings.ReplaceAll(text, "-", "_")); v {
	case "":
		return ByPath, nil
	case ByPath, Flat, Hierarchical:
		return v, nil
	}
	return "", fmt.Errorf("no variant is called %q; there are by_path, flat, hierarchical", text)
}

// Kind of a node, as far as names depend on it.
type Kind uint8

const (
	Directory Kind = iota
	Document
	Other // a symlink: it has no stem that counts
)

// Node is what gets a name.
type Node struct {
	Path string
	Kind Kind
}

// Options of Tree.
type Options struct {
	Variant Variant
	// Caseless: the destination takes names that differ only in case for one.
	Caseless bool
}

// Change is a name that had to be another than the variant says, because that
// was taken, reserved or too long. Only the manifest leads back from it.
type Change struct{ Path, Name, Reason string }

// MaxName is the longest name, in bytes, that filesystems take.
const MaxName = 255
