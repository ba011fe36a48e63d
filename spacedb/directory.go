package spacedb

import (
	"hash/maphash"
	"slices"
	"sort"
	"strings"
)

// child finds what name is in directory d, reading it if need be.
func (s *Store) child(d *node, name string) (*node, error) {
	if !d.isDir() {
		return nil, ErrNotDir
	}
	if len(name) > MaxName {
		return nil, ErrNameTooLong // not merely absent, also of a directory that is known
	}
	if id, ok := d.dir.entries[name]; ok {
		if id == 0 {
			return nil, ErrNotFound
		}
		return s.named(d, name, id)
	}
	if d.dir.complete {
		return nil, ErrNotFound
	}
	var n *node
	found, err := s.meta.one(func(r row) (err error) {
		if n, err = scanNode(r); err != nil {
			return err
		}
		d.dir.entries[name] = n.id
		return nil
	}, `SELECT `+nodeColumns+` FROM entry JOIN node ON node.id = entry.node
		WHERE entry.parent = ? AND entry.name = ?`, d.id, []byte(name))
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, s.missed(d, name)
	}
	n = s.adopt(n)
	return s.named(d, name, n.id)
}

// A name that is not there is asked for at least twice when a file is made. So
// some are remembered; and who makes many files in a small directory that was
// read in part soon has all of it.
const (
	knownMisses = 1024 // names in a directory
	manyMisses  = 32
	smallDir    = 1024 // entries
)

// missed remembers that a name is not in d, and returns ErrNotFound.
func (s *Store) missed(d *node, name string) error {
	if d.dir.misses++; d.dir.misses == manyMisses {
		var entries int64
		_, err := s.meta.one(func(r row) error { entries = r.int(0); return nil },
			`SELECT count(*) FROM (SELECT 1 FROM entry WHERE parent = ? LIMIT ?)`, d.id, smallDir+1)
		if err == nil && entries <= smallDir {
			err = s.complete(d)
		}
		if err != nil {
			return err
		}
	}
	if !d.dir.complete && d.dir.misses < knownMisses {
		d.dir.entries[name] = 0
	}
	return ErrNotFound
}

// named returns node id, remembering that name in d names it.
func (s *Store) named(d *node, name string, id NodeID) (*node, error) {
	n, err := s.node(id)
	if err != nil {
		return nil, err
	}
	if n.isDir() && n.parent != 0 && (n.parent != d.id || n.name != name) && n.id != Root {
		return nil, damaged("directory %d has two entries", n.id)
	}
	n.callIt(d, name)
	return n, nil
}

// callIt remembers a name of n, unless one is known: the document of a node
// with several names is called by one, whichever is looked at.
func (n *node) callIt(d *node, name string) {
	if n.parent == 0 {
		n.parent, n.name = d.id, name
	}
}

// callItNow makes it the name that n's document is called by.
func (n *node) callItNow(d *node, name string) {
	n.parent, n.name = d.id, name
}

// complete reads every entry of d and the nodes they name in one query, so
// that a listing with attributes costs no more than one without.
func (s *Store) complete(d *node) error {
	if d.dir.complete {
		return nil
	}
	err := s.meta.query(func(r row) error {
		name := r.text(20)
		if _, known := d.dir.entries[name]; known {
			return nil // memory is newer, tombstones included
		}
		if err := checkName(name); err != nil {
			return damaged("directory %d holds a name that cannot be: %q", d.id, name)
		}
		n, err := scanNode(r)
		if err != nil {
			return err
		}
		n = s.adopt(n)
		n.callIt(d, name)
		d.dir.entries[name] = n.id
		return nil
	}, `SELECT `+nodeColumns+`, entry.name FROM entry JOIN node ON node.id = entry.node
		WHERE entry.parent = ?`, d.id)
	if err != nil {
		return err
	}
	for name, id := range d.dir.entries {
		if id == 0 {
			delete(d.dir.entries, name)
		}
	}
	d.dir.complete, d.dir.order, d.dir.late = true, nil, nil
	return nil
}

// empty tells whether d has no entries.
func (s *Store) empty(d *node) (bool, error) {
	for _, id := range d.dir.entries {
		if id != 0 {
			return false, nil
		}
	}
	err := s.complete(d)
	return len(d.dir.entries) == 0, err
}

// ReadDir calls fn for the entries after cookie (0: from the start) until fn
// returns false; "." and ".." are not among them. An entry that is there the
// whole time is listed exactly once, whatever else comes and goes. fn runs
// under the store's lock and must not call back into it. With Actor.Retain,
// each entry for which fn returned true is retained.
func (t *Tree) ReadDir(id NodeID, cookie uint64, fn func(Dirent) bool) error {
	s := t.store
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.node(id)
	if err != nil {
		return err
	}
	if !d.isDir() {
		return ErrNotDir
	}
	if err := s.complete(d); err != nil {
		return err
	}
	d.sort()
	order := d.dir.order
	from := sort.Search(len(order), func(i int) bool { return order[i].cookie > cookie })
	for _, o := range order[from:] {
		id, ok := d.dir.entries[o.name]
		if !ok {
			continue // removed since order was built
		}
		n, err := s.named(d, o.name, id)
		if err != nil {
			return err
		}
		if !fn(Dirent{Name: o.name, Cookie: o.cookie, Attr: n.attr()}) {
			return nil
		}
		t.retain(n)
	}
	return nil
}

// A directory is listed in the order of its names' hashes, as ext4 does it. So
// a cookie means the same place for ever, whatever comes and goes and however
// often the directory leaves memory; and a program that makes or renames files
// while it lists them comes to an end, as it would not if new names came last.
//
// The hash is keyed with a seed of the process, so nobody can make names
// collide on purpose; that two of a million do by chance has odds of one to
// ten million, and then one of them may be missed where two listing requests
// meet.
var cookieSeed = maphash.MakeSeed()

func cookieOf(name string) uint64 { return maphash.String(cookieSeed, name)>>2 | 1 }

func byCookie(a, b ordered) int {
	switch {
	case a.cookie < b.cookie:
		return -1
	case a.cookie > b.cookie:
		return 1
	}
	return strings.Compare(a.name, b.name)
}

// sort brings the listing order up to date. Names that came since the last
// time are merged in; names that went stay until they are too many.
func (d *node) sort() {
	o := d.dir
	if o.order == nil || len(o.order)+len(o.late) > 2*len(o.entries)+16 {
		o.order = make([]ordered, 0, len(o.entries))
		for name := range o.entries {
			o.order = append(o.order, ordered{cookieOf(name), name})
		}
		slices.SortFunc(o.order, byCookie)
		o.late = nil
		return
	}
	if len(o.late) == 0 {
		return
	}
	slices.SortFunc(o.late, byCookie)
	merged := make([]ordered, 0, len(o.order)+len(o.late))
	for from := o.order; len(from)+len(o.late) > 0; {
		next := &from
		if len(from) == 0 || len(o.late) > 0 && byCookie(o.late[0], from[0]) < 0 {
			next = &o.late
		}
		// A name that went and came again is in both.
		if last := len(merged) - 1; last < 0 || merged[last] != (*next)[0] {
			merged = append(merged, (*next)[0])
		}
		*next = (*next)[1:]
	}
	o.order, o.late = merged, nil
}

// enter makes name in d name n.
func (t *Tree) enter(d *node, name string, n *node) {
	s := t.store
	d.dir.entries[name] = n.id
	if d.dir.order != nil {
		d.dir.late = append(d.dir.late, ordered{cookieOf(name), name})
	}
	n.callIt(d, name)
	t.entryChanged(d, name)
	s.watchers.tell(t.by, Change{Origin: t.by.Origin, Node: n.id, Parent: d.id, Name: name, What: EntryAdded})
}

// leave makes name in d name nothing.
func (t *Tree) leave(d *node, name string, n *node) {
	d.lapse(name, n, n.document)
	if d.dir.complete {
		delete(d.dir.entries, name)
	} else {
		d.dir.entries[name] = 0
	}
	if n.parent == d.id && n.name == name {
		n.parent, n.name = 0, ""
	}
	t.entryChanged(d, name)
	t.store.watchers.tell(t.by, Change{Origin: t.by.Origin, Node: n.id, Parent: d.id, Name: name, What: EntryRemoved})
}

func (t *Tree) entryChanged(d *node, name string) {
	c := d.dir.changed[name]
	c.at, c.by = t.store.seq, t.by
	d.setChange(name, c)
	t.touch(d, dirtyRow|dirtyEntries)
}

func (d *node) setChange(name string, c change) {
	if d.dir.changed == nil {
		d.dir.changed = map[string]change{}
	}
	d.dir.changed[name] = c
}
