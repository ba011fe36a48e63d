package materialize

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"spacefs/conflict"
	"spacefs/materialize/ignore"
	"spacefs/spacedb"
)

// IgnoreFile is a document with patterns of what a sync leaves alone, as
// .gitignore has them, for its directory and what is below.
const IgnoreFile = ".spacefsignore"

// maxIgnoreFile is the largest one that is read, in bytes.
const maxIgnoreFile = 1 << 20

// ignoring decides what a sync leaves alone on both sides: what the patterns of
// either side ignore. So nothing is deleted or comes back while they differ, and
// a sync that makes them agree looks again.
//
// What is ignored has no base. If it is ignored no more, it is as at a first
// sync: copied, adopted or a conflict, and never deleted.
type ignoring struct {
	root  *os.Root
	space map[string]*ignore.Patterns // by directory; all there are

	mu       sync.Mutex // guards the rest: the walk reads ahead
	listsAll bool       // a directory without patterns need not be noted
	mirror   map[string]*ignore.Patterns
	chains   map[string][]scope
}

// scope is a file of patterns and how much of a path lies above it.
type scope struct {
	above    int
	patterns *ignore.Patterns
	side     conflict.Side
}

// newIgnoring knows what the directory ignores, and nothing of a space.
func newIgnoring(root *os.Root) *ignoring {
	return &ignoring{root: root, space: map[string]*ignore.Patterns{}, mirror: map[string]*ignore.Patterns{}, chains: map[string][]scope{}}
}

func openIgnoring(v *spacedb.Snapshot, root *os.Root) (*ignoring, error) {
	g := newIgnoring(root)
	files, err := v.Named(IgnoreFile)
	if err != nil {
		return nil, err
	}
	for _, it := range files {
		dir, _ := splitPath(it.Path)
		content, err := v.Open(it.Attr.ID)
		if err != nil {
			return nil, err
		}
		if g.space[dir], err = readPatterns(content); err != nil {
			return nil, fmt.Errorf("%s in the space: %w", it.Path, err)
		}
	}
	return g, nil
}

func readPatterns(r io.Reader) (*ignore.Patterns, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxIgnoreFile+1))
	if err == nil && len(text) > maxIgnoreFile {
		err = fmt.Errorf("it is larger than %d bytes", maxIgnoreFile)
	}
	if err != nil {
		return nil, err
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	return ignore.Parse(strings.Split(string(text), "\n"))
}

// listed takes note of a directory of the mirror before anything in it is
// judged.
func (g *ignoring) listed(dir string, entries []listed) error {
	for _, e := range entries {
		if e.name == IgnoreFile {
			_, err := g.readMirror(dir)
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.listsAll {
		g.mirror[dir] = nil
	}
	return nil
}

// all announces a walk through the whole mirror: each directory is listed before
// anything in it is judged, and one without patterns need not be remembered.
func (g *ignoring) all() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listsAll = true
}

// inMirror returns the mirror's patterns of a directory, nil if it has none.
func (g *ignoring) inMirror(dir string) (*ignore.Patterns, error) {
	g.mu.Lock()
	p, known := g.mirror[dir]
	known = known || g.listsAll
	g.mu.Unlock()
	if known {
		return p, nil
	}
	return g.readMirror(dir)
}

func (g *ignoring) readMirror(dir string) (p *ignore.Patterns, err error) {
	isDir, err := g.isDirectory(dir)
	var f *os.File
	if isDir && err == nil {
		f, err = openFile(g.root, join(dir, IgnoreFile))
	}
	switch {
	case err == nil && !isDir, isGone(err), errors.Is(err, errMoved): // or something else than a file
	case err != nil:
		return nil, err
	default:
		p, err = readPatterns(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", IgnoreFile, err)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mirror[dir] = p
	return p, nil
}

// isDirectory says whether a path is a directory of the mirror, and not one that
// a symlink leads to.
func (g *ignoring) isDirectory(dir string) (bool, error) {
	for i := 0; i <= len(dir); i++ {
		if dir == "" || i < len(dir) && dir[i] != '/' {
			continue
		}
		info, err := g.root.Lstat(dir[:i])
		if isGone(err) || err == nil && !info.IsDir() {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// chain is what decides about the entries of a directory, the nearest first.
func (g *ignoring) chain(dir string) ([]scope, error) {
	g.mu.Lock()
	chain, known := g.chains[dir]
	known = known || g.listsAll && len(g.mirror)+len(g.space) == 0 // nobody decides anything
	g.mu.Unlock()
	if known {
		return chain, nil
	}
	at := len(dir) + 1
	if dir == "" {
		at = 0
	} else {
		up, _ := splitPath(dir)
		above, err := g.chain(up)
		if err != nil {
			return nil, err
		}
		chain = above[:len(above):len(above)]
	}
	mirror, err := g.inMirror(dir)
	if err != nil {
		return nil, err
	}
	var own []scope
	if mirror != nil {
		own = append(own, scope{at, mirror, conflict.Mirror})
	}
	if space := g.space[dir]; space != nil {
		own = append(own, scope{at, space, conflict.Space})
	}
	chain = append(own, chain...)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.chains[dir] = chain
	return chain, nil
}

// entry says whether one entry of a directory that is not ignored is.
func (g *ignoring) entry(dir, name string, isDir bool) (bool, error) {
	chain, err := g.chain(dir)
	if err != nil || len(chain) == 0 {
		return false, err
	}
	var decided [2]bool
	path := join(dir, name)
	for _, s := range chain {
		if decided[s.side] {
			continue
		}
		ignored, known := s.patterns.Match(path[s.above:], isDir)
		if ignored {
			return true, nil
		}
		decided[s.side] = known
	}
	return false, nil
}

// covers says whether a path is ignored, by itself or with a directory above.
func (g *ignoring) covers(path string, isDir bool) (bool, error) {
	for i := 0; i < len(path); i++ {
		if path[i] == '/' {
			dir, name := splitPath(path[:i])
			if ignored, err := g.entry(dir, name, true); ignored || err != nil {
				return ignored, err
			}
		}
	}
	dir, name := splitPath(path)
	return g.entry(dir, name, isDir)
}

// leaveAlone takes what is ignored, and what is junk, out of what both sides are seen to hold. Where
// there is a base, it goes: to both sides the path is as if it were nowhere.
func (g *ignoring) leaveAlone(junk func(string) bool, base *baseline, space map[string]spacedb.Item, mirror map[string]observation) error {
	drop := func(p string, isDir bool) error {
		was, known, err := base.at(p)
		if err != nil {
			return err
		}
		isDir = isDir || known && was.Mode&spacedb.TypeMask == spacedb.TypeDir
		ignored, err := g.covers(p, isDir)
		if err != nil || !ignored && !junk(p) {
			return err
		}
		if known {
			space[p], mirror[p] = spacedb.Item{}, observation{}
		} else {
			delete(space, p)
			delete(mirror, p)
		}
		return nil
	}
	for p, it := range space {
		if err := drop(p, it.Attr.IsDir()); err != nil {
			return err
		}
	}
	for p, o := range mirror {
		if err := drop(p, o.Kind == conflict.Directory); err != nil {
			return err
		}
	}
	return nil
}

// isIgnoreFile says whether a path decides about others.
func isIgnoreFile(p string) bool {
	_, name := splitPath(p)
	return name == IgnoreFile
}
