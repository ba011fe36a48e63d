package fold

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// Reserved are the names at the top of an export that are not a document's: the
// manifest and what it is staged as, and the state of a mirror.
var Reserved = []string{".spacefs-manifest.jsonl", ".spacefs-manifest.next", ".spacefs-staged", ".spacefs"}

// Names hands out each name once.
type Names struct {
	taken    map[string]struct{}
	caseless bool
	Changes  []Change
}

// Tree names every node; the result is parallel to nodes. In a flat export
// directories have no name: "". Names are distinct.
func Tree(nodes []Node, o Options) ([]string, *Names) {
	n := &Names{taken: make(map[string]struct{}, len(nodes)+len(Reserved)), caseless: o.Caseless}
	for _, r := range Reserved {
		n.taken[n.key(r)] = struct{}{}
	}
	names := make([]string, len(nodes))
	folders := map[string]struct{}{}
	for _, node := range nodes {
		if node.Kind == Directory {
			folders[node.Path] = struct{}{}
		}
	}
	// What keeps its place comes first: of two that want a name, it is the one
	// that was moved which gets another. Directories before all others, because
	// what they hold is named after them.
	renamed := map[string]string{} // directories
	for pass := range 3 {
		for i, node := range nodes {
			name, moved := wanted(node, folders, o.Variant)
			if name == "" || pass != order(node.Kind, moved) {
				continue
			}
			name = underRenamed(name, renamed)
			names[i] = n.Take(node.Path, name)
			if node.Kind == Directory && names[i] != node.Path {
				renamed[node.Path] = names[i]
			}
		}
	}
	return names, n
}

func order(k Kind, moved bool) int {
	switch {
	case k == Directory:
		return 0
	case !moved:
		return 1
	}
	return 2
}

// wanted is the name that the variant gives a node, before anything stands in
// its way; moved tells that it leaves its directory.
func wanted(n Node, folders map[string]struct{}, v Variant) (name string, moved bool) {
	switch {
	case v == Flat && n.Kind == Directory:
		return "", false
	case v == Flat:
		return Fold(n.Path), false
	case v == Hierarchical && n.Kind == Document:
		stem, ext := splitExt(n.Path)
		if _, beside := folders[stem]; beside && ext != "" {
			return stem + "/index" + ext, true
		}
	}
	return n.Path, false
}

// underRenamed follows the nearest directory above that has another name.
func underRenamed(name string, renamed map[string]string) string {
	if len(renamed) == 0 {
		return name
	}
	for i := strings.LastIndexByte(name, '/'); i > 0; i = strings.LastIndexByte(name[:i], '/') {
		if to, ok := renamed[name[:i]]; ok {
			return to + name[i:]
		}
	}
	return name
}

// Take gives path a name like the one that is wanted: that, or the first free
// one with ~2, ~3, … before the extension.
func (n *Names) Take(path, name string) string {
	reason := ""
	dir, last := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, last = name[:i+1], name[i+1:]
	}
	if len(last) > MaxName {
		last, reason = shorten(last, path), "too long"
		name = dir + last
	}
	stem, ext := shortExt(last)
	for i := 2; ; i++ {
		key := n.key(name)
		if _, taken := n.taken[key]; !taken {
			n.taken[key] = struct{}{}
			break
		}
		mark := "~" + strconv.Itoa(i)
		name = dir + cut(stem, MaxName-len(mark)-len(ext)) + mark + ext
		reason = "the name is taken"
	}
	if reason != "" {
		n.Changes = append(n.Changes, Change{path, name, reason})
	}
	return name
}

func (n *Names) key(name string) string {
	if n.caseless {
		return strings.ToLower(name)
	}
	return name
}

// shorten keeps the beginning and the extension, and puts between them what
// tells the path from all others.
func shorten(name, path string) string {
	sum := sha256.Sum256([]byte(path))
	mark := tooLong + hex.EncodeToString(sum[:8])
	stem, ext := shortExt(name)
	return cut(stem, MaxName-len(mark)-len(ext)) + mark + ext
}

// cut shortens text to at most so many bytes, between characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && text[most]&0xC0 == 0x80 {
		most--
	}
	return text[:most]
}

// shortExt is splitExt for where the stem is cut: what is longer than any
// extension is part of it.
func shortExt(name string) (stem, ext string) {
	if stem, ext = splitExt(name); len(ext) > 32 {
		return name, ""
	}
	return stem, ext
}

// splitExt splits off the last name's extension; a name that begins with its
// only dot has none.
func splitExt(path string) (stem, ext string) {
	from := strings.LastIndexByte(path, '/') + 1
	if i := strings.LastIndexByte(path[from:], '.'); i > 0 && from+i < len(path)-1 {
		return path[:from+i], path[from+i:]
	}
	return path, ""
}
