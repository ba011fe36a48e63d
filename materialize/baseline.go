package materialize

import (
	"spacefs/conflict"
	"spacefs/spacedb"
)

// baseline is what space and mirror last agreed on, asked path by path: a sync
// is about few of its entries, and those it remembers.
type baseline struct {
	snapshot *spacedb.Snapshot
	mirror   int64
	empty    bool // nothing was agreed on yet
	whole    bool // all of it is in entries
	entries  map[string]spacedb.BaseEntry
	missing  map[string]struct{} // looked for and not there
	// attributes: of entries, the extended ones that were agreed on are wanted.
	attributes bool
}

func openBaseline(v *spacedb.Snapshot, mirror int64, attributes bool) (*baseline, error) {
	b := &baseline{snapshot: v, mirror: mirror, attributes: attributes, entries: map[string]spacedb.BaseEntry{}, missing: map[string]struct{}{}}
	var err error
	b.empty, err = v.BaseEmpty(mirror)
	return b, err
}

func (b *baseline) at(p string) (e spacedb.BaseEntry, known bool, err error) {
	if e, known = b.entries[p]; known || b.empty || b.whole {
		return e, known, nil
	}
	if _, no := b.missing[p]; no {
		return e, false, nil
	}
	if e, known, err = b.snapshot.BaseAt(b.mirror, p); err == nil && known {
		e, err = b.complete(e)
		b.entries[p] = e
	} else if err == nil {
		b.missing[p] = struct{}{}
	}
	return e, known, err
}

// complete adds the attributes to an entry.
func (b *baseline) complete(e spacedb.BaseEntry) (_ spacedb.BaseEntry, err error) {
	if b.attributes && e.Mode&spacedb.TypeMask != spacedb.TypeSymlink {
		e.Attributes, err = b.snapshot.BaseXattrs(b.mirror, e.Path)
	}
	return e, err
}

// has says whether there is something at or, for who cannot tell, may be.
func (b *baseline) has(p string) bool {
	_, known, err := b.at(p)
	return known || err != nil
}

// below returns the paths of the entries below a directory, in byte order.
func (b *baseline) below(dir string) (paths []string, err error) {
	if b.empty {
		return nil, nil
	}
	err = b.snapshot.BaseBelow(b.mirror, dir, func(e spacedb.BaseEntry) error {
		b.entries[e.Path] = e
		paths = append(paths, e.Path)
		return nil
	})
	for _, p := range paths {
		if !b.attributes || err != nil {
			break
		}
		b.entries[p], err = b.complete(b.entries[p])
	}
	return paths, err
}

// load brings all of it into memory, for who is about to ask for all of it.
func (b *baseline) load() error {
	if b.whole || b.empty {
		return nil
	}
	_, err := b.below("")
	b.whole = err == nil
	return err
}

func baseEntry(b spacedb.BaseEntry) conflict.Entry {
	e := conflict.Entry{Mode: b.Mode & permMask, Mtime: b.MirrorMtime, Node: uint64(b.Node), Inode: b.MirrorInode, Attributes: b.Attributes}
	switch b.Mode & spacedb.TypeMask {
	case spacedb.TypeDir:
		e.Kind = conflict.Directory
	case spacedb.TypeSymlink:
		e.Kind, e.Target, e.Mode = conflict.Symlink, b.Target, 0
	default:
		e.Kind, e.Hash, e.Size = conflict.File, conflict.Hash(b.SHA256), b.Size
	}
	return e
}
