package materialize

import (
	"context"
	"errors"
	"io/fs"
	"sort"
	"strings"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// spaceScan is the space's side of a sync.
type spaceScan struct {
	changed   map[string]spacedb.Item // differs from the base; a zero Item: gone
	unsettled []string                // not sealed: somebody is just writing it
	notices   []string
	total     int // items looked at
}

// scanSpace compares the space with the base: what the journal names since the
// last complete sync, or everything when it does not reach back so far.
func scanSpace(ctx context.Context, v *spacedb.Snapshot, since uint64, base map[string]spacedb.BaseEntry) (*spaceScan, error) {
	s := &spaceScan{changed: map[string]spacedb.Item{}}
	paths, complete, err := v.Changed(since)
	if err != nil {
		return nil, err
	}
	found := map[string]struct{}{}
	visit := func(it spacedb.Item) error {
		s.total++
		return s.visit(it, base, found)
	}
	// Looking paths up one by one is dear: for many, looking at all is cheaper.
	if !complete || int64(len(paths)) > v.Nodes()/8 {
		if err := v.Walk(ctx, "", visit); err != nil {
			return nil, err
		}
		for p := range base {
			s.gone(p, base, found)
		}
		return s, nil
	}
	sorted := sortedPaths(base, len(paths) > 0)
	var walked pathSet // directories that were looked through
	for _, p := range paths {
		if walked.cover(p) {
			continue
		}
		it, err := v.Item(p)
		switch {
		case errors.Is(err, spacedb.ErrNotFound), errors.Is(err, spacedb.ErrNotDir):
		case err != nil:
			return nil, err
		default:
			if err := visit(it); err == nil && it.Attr.IsDir() {
				if err := v.Walk(ctx, p, visit); err != nil {
					return nil, err
				}
				walked.put(p)
			}
		}
		s.gone(p, base, found)
		for _, below := range prefixed(sorted, p) {
			s.gone(below, base, found)
		}
	}
	return s, nil
}

func sortedPaths(base map[string]spacedb.BaseEntry, needed bool) []string {
	if !needed {
		return nil
	}
	sorted := make([]string, 0, len(base))
	for p := range base {
		sorted = append(sorted, p)
	}
	sort.Strings(sorted)
	return sorted
}

// prefixed returns the sorted paths below dir.
func prefixed(sorted []string, dir string) []string {
	from := sort.SearchStrings(sorted, dir+"/")
	to := from
	for to < len(sorted) && strings.HasPrefix(sorted[to], dir+"/") {
		to++
	}
	return sorted[from:to]
}

func (s *spaceScan) gone(p string, base map[string]spacedb.BaseEntry, found map[string]struct{}) {
	if _, ok := found[p]; ok {
		return
	}
	if _, known := base[p]; known {
		s.changed[p] = spacedb.Item{}
	}
}

func (s *spaceScan) visit(it spacedb.Item, base map[string]spacedb.BaseEntry, found map[string]struct{}) error {
	switch a := it.Attr; {
	case it.Junk:
		return skip(a)
	case strings.HasPrefix(it.Path, stateDir+"/"):
		return skip(a)
	case it.Path == stateDir:
		s.notices = append(s.notices, stateDir+": not mirrored, the name is taken for the mirror's own state")
		return skip(a)
	case !a.IsDir() && !a.IsRegular() && !a.IsSymlink():
		s.notices = append(s.notices, it.Path+": skipped, special file")
		return nil
	}
	found[it.Path] = struct{}{}
	if it.Attr.IsRegular() && !it.Sealed {
		s.unsettled = append(s.unsettled, it.Path)
		return nil
	}
	b, known := base[it.Path]
	if !known || !itemEntry(it).Same(baseEntry(b)) {
		s.changed[it.Path] = it
	}
	return nil
}

func skip(a spacedb.Attr) error {
	if a.IsDir() {
		return fs.SkipDir
	}
	return nil
}

func itemEntry(it spacedb.Item) conflict.Entry {
	e := conflict.Entry{Mode: it.Attr.Perm() & permMask, Mtime: it.Attr.Mtime}
	switch {
	case it.Attr.ID == 0:
		return conflict.Entry{}
	case it.Attr.IsDir():
		e.Kind = conflict.Directory
	case it.Attr.IsSymlink():
		e.Kind, e.Target, e.Mode = conflict.Symlink, it.Target, 0
	default:
		e.Kind, e.Hash, e.Size = conflict.File, conflict.Hash(it.SHA256), it.Attr.Size
	}
	return e
}

// trees builds the pruned trees that conflict.Reconcile asks for: every path
// that differs on a side, its ancestors, and everything below a directory that
// a side deleted or retyped.
func trees(base map[string]spacedb.BaseEntry, space map[string]spacedb.Item, mirror map[string]observation) (b, s, m conflict.Tree) {
	b, s, m = conflict.Tree{}, conflict.Tree{}, conflict.Tree{}
	var sorted []string
	add := func(p string) {
		was, known := base[p]
		if known {
			b[p], s[p], m[p] = baseEntry(was), baseEntry(was), baseEntry(was)
		}
		put := func(t conflict.Tree, e conflict.Entry, changed bool) {
			if !changed {
				return
			}
			if delete(t, p); e.Kind != conflict.Absent {
				t[p] = e
			}
		}
		it, changed := space[p]
		put(s, itemEntry(it), changed)
		o, changed := mirror[p]
		put(m, o.Entry, changed)
	}
	consider := func(p string) {
		add(p)
		for dir := p; ; {
			i := strings.LastIndexByte(dir, '/')
			if i < 0 {
				break
			}
			dir = dir[:i]
			if _, done := b[dir]; done {
				break
			}
			add(dir)
		}
		if b[p].Kind == conflict.Directory && (s[p].Kind != conflict.Directory || m[p].Kind != conflict.Directory) {
			if sorted == nil {
				sorted = sortedPaths(base, true)
			}
			for _, below := range prefixed(sorted, p) {
				add(below)
			}
		}
	}
	for p := range space {
		consider(p)
	}
	for p := range mirror {
		consider(p)
	}
	return b, s, m
}
