package spacedb

import "sort"

// child finds what name is in directory d, reading it if need be.
func (s *Store) child(d *node, name string) (*node, error) {
	if !d.isDir() {
		return nil, ErrNotDir
	}
	if e, ok := d.dir.entries[name]; ok {
		if e.node == 0 {
			return nil, ErrNotFound
		}
		return s.named(d, name, e.node)
	}
	if d.dir.complete {
		return nil, ErrNotFound
	}
	if len(name) > MaxName {
		return nil, ErrNameTooLong
	}
	var n *node
	found, err := s.meta.one(func(r row) (err error) {
		if n, err = scanNode(r); err != nil {
			return err
		}
		d.dir.entries[name] = entry{node: n.id, cookie: uint64(r.int(20))}
		return nil
	}, `SELECT `+nodeColumns+`, entry.cookie FROM entry JOIN node ON node.id = entry.node
		WHERE entry.parent = ? AND entry.name = ?`, d.id, []byte(name))
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, ErrNotFound
	}
	n = s.adopt(n)
	return s.named(d, name, n.id)
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
	n.parent, n.name = d.id, name
	return n, nil
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
		n.parent, n.name = d.id, name
		d.dir.entries[name] = entry{node: n.id, cookie: uint64(r.int(21))}
		return nil
	}, `SELECT `+nodeColumns+`, entry.name, entry.cookie FROM entry JOIN node ON node.id = entry.node
		WHERE entry.parent = ?`, d.id)
	if err != nil {
		return err
	}
	for name, e := range d.dir.entries {
		if e.node == 0 {
			delete(d.dir.entries, name)
		}
	}
	d.dir.complete, d.dir.order = true, nil
	return nil
}

// empty tells whether d has no entries.
func (s *Store) empty(d *node) (bool, error) {
	for _, e := range d.dir.entries {
		if e.node != 0 {
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
		e, ok := d.dir.entries[o.name]
		if !ok || e.cookie != o.cookie {
			continue // removed since order was built, or removed and made again
		}
		n, err := s.named(d, o.name, e.node)
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

// sort builds the listing order. New entries have the largest cookies, so they
// are appended (see enter) and this runs once for as long as the directory
// stays in memory.
func (d *node) sort() {
	if d.dir.order != nil && len(d.dir.order) <= 2*len(d.dir.entries)+16 {
		return
	}
	d.dir.order = make([]ordered, 0, len(d.dir.entries))
	for name, e := range d.dir.entries {
		d.dir.order = append(d.dir.order, ordered{e.cookie, name})
	}
	sort.Slice(d.dir.order, func(i, j int) bool { return d.dir.order[i].cookie < d.dir.order[j].cookie })
}

// enter makes name in d name n.
func (t *Tree) enter(d *node, name string, n *node) {
	s := t.store
	e := entry{node: n.id, cookie: s.seq}
	d.dir.entries[name] = e
	if d.dir.order != nil {
		d.dir.order = append(d.dir.order, ordered{e.cookie, name})
	}
	n.parent, n.name = d.id, name
	t.entryChanged(d, name)
	s.watchers.tell(t.by, Change{Origin: t.by.Origin, Node: n.id, Parent: d.id, Name: name, What: EntryAdded})
}

// leave makes name in d name nothing.
func (t *Tree) leave(d *node, name string, n *node) {
	if d.dir.complete {
		delete(d.dir.entries, name)
	} else {
		d.dir.entries[name] = entry{}
	}
	if n.parent == d.id && n.name == name {
		n.parent, n.name = 0, ""
	}
	t.entryChanged(d, name)
	t.store.watchers.tell(t.by, Change{Origin: t.by.Origin, Node: n.id, Parent: d.id, Name: name, What: EntryRemoved})
}

func (t *Tree) entryChanged(d *node, name string) {
	if d.dir.changed == nil {
		d.dir.changed = map[string]change{}
	}
	d.dir.changed[name] = change{at: t.store.seq, by: t.by}
	t.touch(d, dirtyRow|dirtyEntries)
}
