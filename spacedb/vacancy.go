package spacedb

// place is a name in a directory.
type place struct {
	parent NodeID
	name   string
}

// vacancy remembers, for the quiet time, that a document left a place: a save
// that keeps a backup moves the old content aside before the new one comes, and
// one that does not may remove it first. It is not in the file; a crash between
// the two leaves the history with the backup, or waiting at the path.
type vacancy struct {
	node     NodeID // who carried the document away
	version  uint64 // its content then: nobody writes to a backup
	document int64
	at       int64
	waits    bool // the document was left here: what carried it was removed, or took up another
	removed  bool
}

// vacate: n takes its document along from name in d.
func (t *Tree) vacate(d *node, name string, n *node, now int64) {
	if n.document != 0 {
		t.store.vacated[place{d.id, name}] = vacancy{node: n.id, version: n.version, document: n.document, at: now}
	}
}

// reclaim brings back what left name in d a moment ago, because n, new content
// of the same kind, comes there: it waits at the path for n to come to rest.
func (t *Tree) reclaim(d *node, name string, n *node, now int64) error {
	s := t.store
	v, known := s.vacated[place{d.id, name}]
	if !known || n.document != 0 || !n.holdsContent() {
		return nil
	}
	delete(s.vacated, place{d.id, name})
	if now-v.at > int64(s.options.Quiet) {
		return nil
	}
	at, err := s.pathIn(d, name)
	if err != nil {
		return err
	}
	_, err = t.bringBack(v, n, at, now)
	return err
}

// bringBack takes a document from the backup that carried it away, for n to take
// up at the path it left. A backup is of the same kind and was not written to.
func (t *Tree) bringBack(v vacancy, n *node, at string, now int64) (done bool, err error) {
	backup, err := t.store.node(v.node)
	switch {
	case err == ErrNotFound: // removed; what it carried waits where it went
		return false, nil
	case err != nil:
		return false, err
	case backup == n, backup.nlink == 0, backup.document != v.document, backup.version != v.version, backup.mode&TypeMask != n.mode&TypeMask:
		return false, nil
	}
	t.renew(backup)
	t.detach(backup, at, now)
	t.strip(backup, now)
	return true, nil
}

// succeed lets n, which has a document of its own already, take up the one that
// left name in d a moment ago. If that was removed: who removes a target and
// renames over nothing means the same as who renames over it. If it was moved, n
// must be as young: a temporary that was sealed at once, and not a document that
// changes places with another; and being so young, it also takes up what has
// waited there for longer, as it would if it had not been sealed yet. n's own
// stays at the path was.
func (t *Tree) succeed(d *node, name string, n *node, was, at string, now int64) (done bool, err error) {
	quiet := int64(t.store.options.Quiet)
	young := now-n.btime <= quiet
	v, known := t.store.vacated[place{d.id, name}]
	switch recent := known && now-v.at <= quiet; {
	case recent && n.document == v.document, !young && !(recent && v.removed):
		return false, nil
	case !recent:
		if left, err := t.store.waiting(at); left.document == 0 || err != nil {
			return false, err
		}
	case !v.waits:
		if done, err := t.bringBack(v, n, at, now); !done || err != nil {
			return false, err
		}
	}
	delete(t.store.vacated, place{d.id, name})
	t.renew(n)
	t.detach(n, was, now)
	t.strip(n, now)
	return true, t.identifyWaiting(n, at)
}

// expectUnlink: n, an old document, is linked to p. If a document was removed from
// there a moment ago, it takes that up should its other name go as soon: until then
// it may be meant to have two.
func (s *Store) expectUnlink(n *node, p place, now int64) {
	v, known := s.vacated[p]
	if !known || !v.removed || v.document == n.document || now-v.at > int64(s.options.Quiet) {
		return
	}
	v.at = now
	s.vacated[p] = v
	s.linked[n.id] = p
}

// inheritLinked: n, which is about to lose the other of its two names, takes up the
// document that was removed from where it was linked, as if it were renamed there.
func (t *Tree) inheritLinked(n, d *node, name, was string, now int64) (done bool, err error) {
	s := t.store
	p, known := s.linked[n.id]
	if !known || n.nlink != 2 || n.document == 0 || p == (place{d.id, name}) {
		return false, nil
	}
	delete(s.linked, n.id)
	to, err := s.node(p.parent)
	if err != nil || !to.isDir() {
		return false, nil // removed since
	}
	if there, err := s.child(to, p.name); err != nil || there != n {
		return false, nil
	}
	at, err := s.pathIn(to, p.name)
	if err != nil {
		return false, err
	}
	d.lapse(name, n, n.document)
	n.callItNow(to, p.name)
	return t.succeed(to, p.name, n, was, at, now)
}

// forgetVacancies drops those whose time is over, or has not come because the
// clock was set back; called with mu held.
func (s *Store) forgetVacancies() {
	now := s.now()
	for p, v := range s.vacated {
		if age := now - v.at; age < 0 || age > int64(s.options.Quiet) {
			delete(s.vacated, p)
		}
	}
	for id, p := range s.linked {
		if _, known := s.vacated[p]; !known {
			delete(s.linked, id)
		}
	}
}

// isHome says whether the document that n carries was last sealed at path. What
// is on its way into the file counts as if it was.
func (s *Store) isHome(n *node, path string) bool {
	home := path
	if last := len(n.seals) - 1; last >= 0 {
		home = n.seals[last].path
	} else if n.revision != 0 {
		_, err := s.meta.one(func(r row) error { home = r.text(0); return nil }, `SELECT path FROM revision WHERE id = ?`, n.revision)
		if err != nil {
			return false // what cannot be known moves nothing
		}
	}
	return home == path
}
