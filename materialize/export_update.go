package materialize

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"spacefs/materialize/manifest"
)

// update brings an earlier export up to date. When nothing changed it reads
// neither the space nor a file.
func (x *exporter) update(had *exportState) error {
	same := asWritten(x.root, had.done)
	unchanged, err := x.v.Unchanged(had.done.Seq)
	if err != nil {
		return err
	}
	unchanged = unchanged && had.next == nil && sameHeader(had.done.Header, x.header())
	if unchanged && !slices.Contains(same, false) {
		x.result.Unchanged = len(had.done.Entries)
		return nil
	}
	for _, m := range []*manifest.Manifest{had.done, had.next} {
		if m != nil {
			if err := m.Check(); err != nil {
				return fmt.Errorf("%s: %w; export to a new directory", path.Join(x.dir, manifest.Name), err)
			}
		}
	}
	plan, err := x.plan()
	if err != nil {
		return err
	}
	if err := x.hashUnsealed(plan); err != nil {
		return err
	}
	todo := x.decide(plan, had, same)
	if x.options.DryRun {
		for _, n := range todo {
			x.tellAct(plan, n)
		}
		return nil
	}
	next := nextOf(plan, todo)
	if had.next != nil || slices.ContainsFunc(todo, (*exportName).acts) {
		return x.recorded(func() error { return x.carryOut(plan, todo, next) })
	}
	for _, n := range todo {
		x.tellAct(plan, n)
	}
	return x.replaceManifest(next) // the next time the journal tells that nothing changed
}

// sameHeader: what was asked for is the same.
func sameHeader(a, b manifest.Header) bool {
	return a.Variant == b.Variant && a.At == b.At && slices.Equal(a.Include, b.Include) && slices.Equal(a.Exclude, b.Exclude) &&
		a.Metadata == b.Metadata && a.Index == b.Index
}

// decide returns the names at which there is something to do or to say, sorted.
func (x *exporter) decide(p *exportPlan, had *exportState, same []bool) []*exportName {
	x.readsAttributes = x.options.Metadata && takesAttributes(x.root)
	names := make(map[string]*exportName, len(p.entries))
	at := func(name string) *exportName {
		n := names[name]
		if n == nil {
			n = &exportName{name: name, want: -1}
			names[name] = n
		}
		return n
	}
	looks := make(map[string]bool, len(same))
	for i := range had.done.Entries {
		if e := &had.done.Entries[i]; e.Name != "" {
			if !x.options.Metadata {
				e.Attributes = "" // nobody asks for them any more
			}
			at(e.Name).had = append(at(e.Name).had, e)
			looks[e.Name] = same[i]
		}
	}
	if had.next != nil {
		for i := range had.next.Entries {
			if e := &had.next.Entries[i]; e.Name != "" {
				if !x.options.Metadata {
					e.Attributes = ""
				}
				at(e.Name).had = append(at(e.Name).had, e)
			}
		}
	}
	for i := range p.entries {
		if name := p.entries[i].Name; name != "" {
			at(name).want = i
		}
	}
	sorted := slices.SortedFunc(maps.Values(names), func(a, b *exportName) int { return strings.Compare(a.name, b.name) })
	var todo []*exportName
	var blocked pathSet // what should be a directory and is not
	for _, n := range sorted {
		want := n.entry(p)
		if want != nil && len(n.had) == 1 && looks[n.name] && sameExport(want, n.had[0]) && sameLooks(want, n.had) {
			x.result.Unchanged++
			continue
		}
		err := error(nil)
		if blocked.cover(n.name) {
			err = errors.New("what should be its directory is something else")
		} else {
			n.disk, n.stamp, err = lookAt(x.root, n.name)
			if err == nil {
				err = x.attributesOnDisk(n)
			}
		}
		if err != nil {
			n.failed = true
			x.fail(n.name, err)
			todo = append(todo, n)
			continue
		}
		if n.isDirectory(p) && n.disk.kind != "" && n.disk.kind != manifest.Directory {
			blocked.put(n.name)
		}
		n.act = decideExport(want, n.had, n.disk)
		switch {
		case n.act != actNothing:
			todo = append(todo, n)
		case want != nil:
			x.result.Unchanged++
		}
	}
	return todo
}
