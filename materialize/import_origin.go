package materialize

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"spacefs/materialize/fold"
	"spacefs/materialize/manifest"
)

// origin is what is known of a file that comes from an export: the manifest, by
// name.
type origin struct {
	*manifest.Manifest
	named map[string]int // index of the entry
	seen  []bool         // by index: it is still there
}

func newOrigin(m *manifest.Manifest) *origin {
	o := &origin{Manifest: m, named: make(map[string]int, len(m.Entries)), seen: make([]bool, len(m.Entries))}
	for i := range m.Entries {
		if name := m.Entries[i].Name; name != "" {
			o.named[name] = i
		}
	}
	return o
}

// of returns the entry for a name, nil when the export did not write it.
func (o *origin) of(name string) *manifest.Entry {
	if o == nil {
		return nil
	}
	i, known := o.named[name]
	if !known {
		return nil
	}
	o.seen[i] = true
	return &o.Entries[i]
}

// pathOf is where in the space something goes that was found under a name. made
// says that the export itself made it, and it is no document.
func (m *importer) pathOf(name string) (path string, e *manifest.Entry, made bool) {
	if e = m.origin.of(name); e != nil {
		return e.Path, e, e.Kind == manifest.Metadata || e.Kind == manifest.Contents
	}
	if m.flat() {
		if p, ok := fold.Unfold(name); ok && isPath(p) {
			return p, nil, false
		}
		return name, nil, false
	}
	if m.origin != nil { // what came into a directory that was exported under another name
		dir, last := splitPath(name)
		if i, known := m.origin.named[dir]; known {
			return join(m.origin.Entries[i].Path, last), nil, false
		}
	}
	return name, nil, false
}

func (m *importer) flat() bool {
	if m.origin != nil {
		return m.origin.Variant == string(fold.Flat)
	}
	return m.options.Variant == fold.Flat
}

// loadOrigin reads the manifest of an export that is imported.
func (m *importer) loadOrigin() error {
	if m.options.NoManifest {
		return nil
	}
	from, err := loadManifest(m.root, manifest.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = from.Check()
	}
	if err != nil {
		return fmt.Errorf("%s: %w; without it the files can be imported as they are: --no-manifest", filepath.Join(m.root.Name(), manifest.Name), err)
	}
	m.origin = newOrigin(from)
	m.decideAttributes()
	return nil
}
