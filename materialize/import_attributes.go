package materialize

import (
	"spacefs/conflict"
	"spacefs/internal/attributes"
	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// An import with metadata brings extended attributes, and takes none away: one
// that the space has and the source has not stays. Of one that has other values,
// --on-conflict decides.
//
// With a manifest, what a file has as it was exported is nothing new, unless the
// document is; and a new one has what the manifest knows where the file lost it,
// on its way through what keeps no attributes.

// decideAttributes says whether this import is about them: when it was asked to
// be, or imports an export that was.
func (m *importer) decideAttributes() {
	m.withAttributes = m.options.Metadata || m.origin != nil && m.origin.Metadata
	m.readsAttributes = m.withAttributes && (m.root == nil || takesAttributes(m.root))
	m.record.attributes = m.withAttributes
}

// brought are the attributes that come with a file or directory of a source.
func brought(own attributes.Set, e *manifest.Entry, isNew bool) attributes.Set {
	if e == nil || e.Attributes == "" {
		return own
	}
	values := own.Map()
	for name, exported := range e.Attributes.All() {
		switch value, has := values[name]; {
		case !isSynced(name): // a manifest comes from anywhere
		case isNew && !has:
			values[name] = exported
		case !isNew && has && value == exported:
			delete(values, name)
		}
	}
	return attributes.Of(values)
}

// attribute gives what is at a path in the space what a source brings, and tells
// what it had and has.
func (m *importer) attribute(path string, at spacedb.Attr, bring attributes.Set, isNew bool) (before, after attributes.Set, err error) {
	if !isNew {
		if before, err = m.tree.Xattrs(at.ID, isSynced); err != nil {
			return before, before, err
		}
	}
	values := before.Map()
	for name, value := range bring.All() {
		if _, has := values[name]; !has || m.options.OnConflict == Overwrite {
			values[name] = value
		}
	}
	after = attributes.Of(values)
	if changes := attributes.Changes(before, after); len(changes) > 0 {
		_, err = m.tree.ChangeXattrs(path, spacedb.GuardOf(at), changes)
	}
	return before, after, err
}

// attributeArrival is attribute for a document that was just placed; it adds to
// the record what it had and has.
func (m *importer) attributeArrival(a *arrival, f *fate, after *spacedb.State, at spacedb.Attr) error {
	if !m.withAttributes {
		return nil
	}
	isNew := f.expect.Absent
	had, has, err := m.attribute(f.path, at, brought(a.attrs, a.entry, isNew), isNew)
	after.Attributes = &has
	if !f.before.Absent() {
		f.before.Attributes = &had
	}
	return err
}

// attributeUnchanged is attribute for a document that is in the space already.
func (m *importer) attributeUnchanged(a *arrival, f fate) error {
	if !m.withAttributes || !f.there {
		return nil
	}
	at, err := m.tree.Resolve(a.path)
	if err != nil {
		return err
	}
	bring := brought(a.attrs, a.entry, false)
	if bring == "" {
		return nil
	}
	had, has, err := m.attribute(a.path, at, bring, false)
	if err != nil || had == has {
		return err
	}
	state := spacedb.State{Mode: spacedb.TypeRegular | at.Perm()&permMask, Mtime: at.Mtime}
	if state.SHA256, err = m.hashDocument(at); err != nil {
		return err
	}
	m.result.Unchanged--
	m.result.Imported++
	m.noteAttributes(a.path, state, had, has)
	return nil
}

func (m *importer) noteAttributes(path string, state spacedb.State, had, has attributes.Set) {
	before, after := state, state
	before.Attributes, after.Attributes = &had, &has
	m.note(path, conflict.Metadata, before, after)
}

// attributeDir is attribute for a directory.
func (m *importer) attributeDir(d *arrivedDir) error {
	if d.attrs == "" && d.entry == nil {
		return nil
	}
	at, err := m.tree.Resolve(d.path)
	if err != nil {
		return err
	}
	_, isNew := m.fresh[d.path]
	had, has, err := m.attribute(d.path, at, brought(d.attrs, d.entry, isNew), false)
	if err == nil && had != has {
		m.noteAttributes(d.path, directoryState(at.Perm(), at.Mtime), had, has)
	}
	return err
}
