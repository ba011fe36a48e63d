package materialize

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// spaceScan is the space's side of a sync.
type spaceScan struct {
	attributes bool // extended ones count

	changed   map[string]spacedb.Item // differs from the base; a zero Item: gone
	unsettled []string                // not sealed: somebody is just writing it
	notices   []string
	decides   bool // what is left alone may have changed
	base      *baseline
	found     map[string]struct{}
}

// scanSpace compares the space with the base: what the journal names since the
// last complete sync, and some other paths; or everything when the journal does
// not reach back so far.
func scanSpace(ctx context.Context, v *spacedb.Snapshot, since uint64, also []string, base *baseline, attributes bool) (*spaceScan, error) {
	s := &spaceScan{changed: map[string]spacedb.Item{}, base: base, attributes: attributes, found: map[string]struct{}{}}
	paths, complete, err := v.Changed(since)
	if err != nil {
		return nil, err
	}
	paths = distinct(append(paths, also...))
	s.decides = !complete || slices.ContainsFunc(paths, isIgnoreFile)
	// Looking paths up one by one is dear: for many, looking at all is cheaper.
	if s.decides || int64(len(paths)) > v.Nodes()/8 {
		return s, s.all(ctx)
	}
	return s, s.some(ctx, paths)
}

func (s *spaceScan) all(ctx context.Context) error {
	if err := s.base.load(); err != nil {
		return err
	}
	if s.base.empty { // then all of it is new
		s.changed = make(map[string]spacedb.Item, s.base.snapshot.Nodes())
	}
	if err := s.base.snapshot.WalkContents(ctx, "", s.visit); err != nil {
		return err
	}
	for p := range s.base.entries {
		if err := s.gone(p); err != nil {
			return err
		}
	}
	return nil
}

// some looks at paths, and at everything below those that are or were
// directories.
func (s *spaceScan) some(ctx context.Context, paths []string) error {
	var walked pathSet // directories that were looked through
	for _, p := range paths {
		if walked.cover(p) {
			continue
		}
		it, err := s.base.snapshot.Item(p)
		present := err == nil
		switch {
		case errors.Is(err, spacedb.ErrNotFound), errors.Is(err, spacedb.ErrNotDir):
		case err != nil:
			return err
		default:
			if err := s.visit(it); err == nil && it.Attr.IsDir() {
				if err := s.base.snapshot.WalkContents(ctx, p, s.visit); err != nil {
					return err
				}
				walked.put(p)
			} else if err != nil && err != fs.SkipDir {
				return err
			}
		}
		if err := s.gone(p); err != nil {
			return err
		}
		b, known, err := s.base.at(p)
		if err != nil {
			return err
		}
		if present && !it.Attr.IsDir() && (!known || b.Mode&spacedb.TypeMask != spacedb.TypeDir) {
			continue // a file, as ever: nothing was below
		}
		below, err := s.base.below(p)
		if err != nil {
			return err
		}
		for _, p := range below {
			if err := s.gone(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// gone notes that a path is not in the space any more, if it is not.
func (s *spaceScan) gone(p string) error {
	if _, ok := s.found[p]; ok {
		return nil
	}
	_, known, err := s.base.at(p)
	if known {
		s.changed[p] = spacedb.Item{}
	}
	return err
}

func (s *spaceScan) visit(it spacedb.Item) error {
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
	if !s.base.empty {
		s.found[it.Path] = struct{}{} // and is not gone
	}
	if it.Attr.IsRegular() && !it.Sealed {
		s.unsettled = append(s.unsettled, it.Path)
		return nil
	}
	b, known, err := s.base.at(it.Path)
	if err == nil && s.attributes {
		err = addAttributes(s.base.snapshot, &it)
	}
	if err != nil {
		return err
	}
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

// addAttributes reads the extended ones of an item that are synced.
func addAttributes(v *spacedb.Snapshot, it *spacedb.Item) (err error) {
	if it.HasXattrs && !it.Attr.IsSymlink() {
		it.Attributes, err = v.Xattrs(it.Attr.ID, isSynced)
	}
	return err
}

func itemEntry(it spacedb.Item) conflict.Entry {
	e := conflict.Entry{
		Mode: it.Attr.Perm() & permMask, Mtime: it.Attr.Mtime, Node: uint64(it.Attr.ID), Attributes: it.Attributes, Changed: it.Attr.Ctime,
	}
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
// a side deleted or retyped. With fold, also what is in the way of something new
// under another spelling.
func trees(base *baseline, space map[string]spacedb.Item, mirror map[string]observation, dir *mirrorDir, fold func(string) string) (b, s, m conflict.Tree, err error) {
	t := &treeBuilder{base: base, changed: space, seen: mirror, b: conflict.Tree{}, s: make(conflict.Tree, len(space)), m: make(conflict.Tree, len(mirror))}
	for p := range space {
		t.consider(p)
	}
	for p := range mirror {
		t.consider(p)
	}
	if fold != nil && t.err == nil {
		t.err = t.addFolded(dir, fold)
	}
	return t.b, t.s, t.m, t.err
}

type treeBuilder struct {
	base    *baseline
	changed map[string]spacedb.Item
	seen    map[string]observation
	b, s, m conflict.Tree
	err     error
}

func (t *treeBuilder) add(p string) {
	was, known, err := t.base.at(p)
	if err != nil {
		t.err = err
		return
	}
	if known {
		e := baseEntry(was)
		t.b[p], t.s[p], t.m[p] = e, e, e
	}
	if it, changed := t.changed[p]; changed {
		put(t.s, p, itemEntry(it))
	}
	if o, changed := t.seen[p]; changed {
		put(t.m, p, o.Entry)
	}
}

// has says whether a path was added, and with it what is above it.
func (t *treeBuilder) has(p string) bool {
	for _, tree := range []conflict.Tree{t.b, t.s, t.m} {
		if _, ok := tree[p]; ok {
			return true
		}
	}
	return false
}

func put(t conflict.Tree, p string, e conflict.Entry) {
	if delete(t, p); e.Kind != conflict.Absent {
		t[p] = e
	}
}

func (t *treeBuilder) consider(p string) {
	t.add(p)
	for dir, _ := splitPath(p); dir != "" && t.err == nil; dir, _ = splitPath(dir) {
		if t.has(dir) {
			break
		}
		t.add(dir)
	}
	if t.err != nil || t.b[p].Kind != conflict.Directory || t.s[p].Kind == conflict.Directory && t.m[p].Kind == conflict.Directory {
		return
	}
	below, err := t.base.below(p)
	if err != nil {
		t.err = err
	}
	for _, p := range below {
		t.add(p)
	}
}
