package materialize

import (
	"errors"
	"fmt"
	"strings"

	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// wanted says whether the patterns let a path of the space come.
func (m *importer) wanted(path string, dir bool) bool {
	if m.exclude.Covers(path, dir) {
		return false
	}
	return dir || m.include.Empty() || m.include.Covers(path, false)
}

// errReserved: a mount shows something else there.
var errReserved = errors.New("refused: " + spacedb.Reserved + " at the root of a space is reserved; import it --into a directory")

func isReserved(path string) bool {
	top, _, _ := strings.Cut(path, "/")
	return top == spacedb.Reserved
}

// ownFiles are the names at the top of a directory that are spacefs's own.
func ownFile(path string) bool {
	return path == stateDir || path == manifest.Name || path == nextManifest || path == stagedDir
}

// isPath: a path of a space, as it is written without a slash at either end.
func isPath(p string) bool {
	for name := range strings.SplitSeq(p, "/") {
		if name == "" || name == "." || name == ".." || len(name) > spacedb.MaxName {
			return false
		}
	}
	return p != ""
}

func hasLongName(p string) bool {
	for name := range strings.SplitSeq(p, "/") {
		if len(name) > spacedb.MaxName {
			return true
		}
	}
	return false
}

// freeName is the path with " (imported)", " (imported 2)", … before the
// extension.
func (m *importer) freeName(to string) (string, error) {
	dir, name := splitPath(to)
	stem, ext := name, ""
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		stem, ext = name[:i], name[i:]
	}
	for n := 1; ; n++ {
		mark := " (imported)"
		if n > 1 {
			mark = fmt.Sprintf(" (imported %d)", n)
		}
		p := join(dir, stem+mark+ext)
		if _, err := m.tree.Resolve(p); errors.Is(err, spacedb.ErrNotFound) {
			return p, nil
		} else if err != nil {
			return "", err
		}
	}
}
