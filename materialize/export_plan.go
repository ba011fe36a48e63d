package materialize

import (
	"slices"
	"strings"

	"spacefs/materialize/fold"
	"spacefs/materialize/ignore"
	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// exportPlan is what an export is to hold: its manifest before anything was
// written, and where the content comes from.
type exportPlan struct {
	header  manifest.Header
	entries []manifest.Entry
	sources []exportSource // parallel to entries
}

// exportSource is where an entry's content comes from.
type exportSource struct {
	ref    spacedb.ContentRef
	text   []byte // of what is made for the export
	hashed bool   // the entry's SHA-256 is known
}

// plan walks the snapshot.
func (x *exporter) plan() (*exportPlan, error) {
	include, err := ignore.Parse(x.options.Include)
	if err != nil {
		return nil, err
	}
	exclude, err := ignore.Parse(x.options.Exclude)
	if err != nil {
		return nil, err
	}
	p := &exportPlan{header: x.header()}
	x.options.Reporter.Tell(Event{Event: Progress, Phase: "scan", Total: int(x.v.Nodes())})
	err = x.v.Walk(x.ctx, "", func(it spacedb.Item) error {
		a := it.Attr
		x.options.Reporter.Step()
		if it.Junk || excluded(exclude, it.Path, a.IsDir()) {
			return skip(a)
		}
		if !a.IsDir() && !include.Empty() && !include.Covers(it.Path, false) {
			return nil
		}
		if !a.IsDir() && !a.IsRegular() && !a.IsSymlink() {
			x.result.Notices = append(x.result.Notices, it.Path+": skipped, special file")
			return nil
		}
		if x.options.Metadata && x.options.At == nil { // attributes have no past
			if err := x.addAttributes(&it); err != nil {
				return err
			}
		}
		p.add(it)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !include.Empty() {
		p.dropHollow()
	}
	for _, c := range p.name(x.options) {
		x.result.Notices = append(x.result.Notices, c.Path+" is exported as "+c.Name+": "+c.Reason)
	}
	return p, nil
}

// excluded: what is above was not, or the walk would not be here.
func excluded(patterns *ignore.Patterns, path string, dir bool) bool {
	yes, _ := patterns.Match(path, dir)
	return yes
}

func (x *exporter) header() manifest.Header {
	o := x.options
	h := manifest.Header{
		Format: manifest.Format, Space: x.store.ID(), Variant: string(o.Variant), Seq: x.v.Seq(), Include: o.Include, Exclude: o.Exclude,
		Metadata: o.Metadata, Index: o.Index,
	}
	if o.Variant == "" {
		h.Variant = string(fold.ByPath)
	}
	if o.At != nil {
		h.At, h.Seq = o.At.String(), 0
	}
	return h
}

func (p *exportPlan) add(it spacedb.Item) {
	a := it.Attr
	e := manifest.Entry{Path: it.Path, Mode: a.Perm(), Mtime: a.Mtime, ID: it.ID, Attributes: it.Attributes}
	s := exportSource{}
	switch {
	case a.IsDir():
		e.Kind, e.ID = manifest.Directory, ""
	case a.IsSymlink():
		e.Kind, e.Target = manifest.Symlink, it.Target
	default:
		e.Kind, e.Size, e.Revision = manifest.Document, a.Size, it.Revision
		e.SHA256 = it.SHA256
		s.ref, s.hashed = it.Ref(), it.Sealed
	}
	p.entries, p.sources = append(p.entries, e), append(p.sources, s)
}

// dropHollow takes out the directories that hold nothing of what was asked for.
func (p *exportPlan) dropHollow() {
	holding := map[string]struct{}{}
	for i := range p.entries {
		if e := &p.entries[i]; e.Kind != manifest.Directory {
			for dir, _ := splitPath(e.Path); dir != ""; dir, _ = splitPath(dir) {
				holding[dir] = struct{}{}
			}
		}
	}
	kept := 0
	for i := range p.entries {
		if e := &p.entries[i]; e.Kind == manifest.Directory {
			if _, ok := holding[e.Path]; !ok {
				continue
			}
		}
		p.entries[kept], p.sources[kept] = p.entries[i], p.sources[i]
		kept++
	}
	p.entries, p.sources = p.entries[:kept], p.sources[:kept]
}

// name gives every entry its name, and adds what is made for the export.
func (p *exportPlan) name(o ExportOptions) []fold.Change {
	nodes := make([]fold.Node, len(p.entries))
	for i := range p.entries {
		kind := fold.Other
		switch p.entries[i].Kind {
		case manifest.Directory:
			kind = fold.Directory
		case manifest.Document:
			kind = fold.Document
		}
		nodes[i] = fold.Node{Path: p.entries[i].Path, Kind: kind}
	}
	names, given := fold.Tree(nodes, fold.Options{Variant: o.Variant})
	for i, n := range names {
		p.entries[i].Name = n
	}
	if o.Index {
		p.addContents(given)
	}
	if o.Metadata {
		p.addMetadata(given)
	}
	return given.Changes
}

// addMade adds a file that is made for the export.
func (p *exportPlan) addMade(kind manifest.Kind, path, name string, mtime int64, text []byte) {
	p.entries = append(p.entries, manifest.Entry{
		Kind: kind, Path: path, Name: name, Mode: 0o644, Mtime: mtime, Size: int64(len(text)), SHA256: hashOf(text),
	})
	p.sources = append(p.sources, exportSource{text: text, hashed: true})
}

// byDirectory groups the entries that have a name by the directory of the export
// they are in, parents before children. A directory is in its parent's group,
// and has one of its own, if only an empty one.
func byDirectory(entries []manifest.Entry) []exportGroup {
	at := map[string]int{"": 0}
	groups := []exportGroup{{own: -1}}
	of := func(dir string) int {
		g, known := at[dir]
		if !known {
			g = len(groups)
			at[dir] = g
			groups = append(groups, exportGroup{dir: dir, own: -1})
		}
		return g
	}
	for i := range entries {
		if e := &entries[i]; e.Kind == manifest.Directory && e.Name != "" {
			groups[of(e.Name)].own = i
		}
	}
	last, lastGroup := "", 0
	for i := range entries {
		e := &entries[i]
		if e.Name == "" {
			continue
		}
		dir, _ := splitPath(e.Name)
		if dir != last {
			last, lastGroup = dir, of(dir)
		}
		g := &groups[lastGroup]
		if e.Kind == manifest.Directory {
			g.inner = true
		} else {
			g.entries = append(g.entries, i)
		}
	}
	slices.SortStableFunc(groups, func(a, b exportGroup) int { return strings.Compare(a.dir, b.dir) })
	return groups
}

// exportGroup is what one directory of an export holds.
type exportGroup struct {
	dir     string
	own     int   // its own entry; -1: the top
	entries []int // all but directories
	inner   bool  // it has directories
}
