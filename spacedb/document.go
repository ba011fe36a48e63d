package spacedb

import "github.com/google/uuid"

// A document is what people mean by "this note": an identity with a history
// that goes on although editors save by making new inodes and renaming them
// about. The rules, all in this file:
//
//   - A node gets its identity when it is first sealed, not when it is made.
//   - What is renamed over a document goes on with that document's history.
//   - A document that is removed, or leaves for a junk name (vim's f~), leaves
//     its identity at its path; the next content that comes to rest there
//     takes it up. Until then the document is detached.
//   - Any other rename takes the identity along. But when new content comes to
//     the path it left, within the quiet time, what left was a backup (patch's
//     f.orig): the identity returns to the path (vacancy.go).
//   - What comes within the quiet time to a path that a document was removed
//     from goes on with its history, also when it was sealed before it came; and
//     so does what comes to a path it was moved from, if it was made just now.
//     What was made just now goes on with what waits at a path in any case.
//   - A name among several of one node is the document's if it was last sealed
//     under it; a document follows any other name nowhere. Content that has none
//     yet is sealed under the name where one waits.
//   - What was linked within the quiet time to a path that a document was removed
//     from, and within the quiet time then loses its other name, was moved there.

const (
	makeDocument   = `INSERT INTO document (id, uuid) VALUES (?, ?)`
	leaveDocument  = `UPDATE document SET path = ?, deleted = ? WHERE id = ?`
	takeUpDocument = `UPDATE document SET path = NULL, deleted = NULL WHERE id = ?`
)

// detach leaves n's identity at path.
func (t *Tree) detach(n *node, at string, now int64) {
	s := t.store
	s.detached.put(at, detached{n.history, s.seq})
	s.anyDetached = true
	s.pending.add(leaveDocument, []byte(at), now, n.document)
}

// identify gives a node without one the identity that waits at its path, or a
// new one.
func (t *Tree) identify(n *node, at string) error {
	if n.document != 0 {
		return nil
	}
	if err := t.identifyWaiting(n, at); err != nil || n.document != 0 {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	t.newDocument(n, id.String())
	return nil
}

func (t *Tree) newDocument(n *node, id string) {
	s := t.store
	s.last.document++
	n.history = history{document: s.last.document}
	s.pending.add(makeDocument, n.document, id)
}

// identifyWaiting gives a node the identity that waits at its path, if one does.
func (t *Tree) identifyWaiting(n *node, at string) error {
	s := t.store
	found, err := s.waiting(at)
	if err != nil {
		return err
	}
	if found.document != 0 {
		n.history = found
		s.detached.put(at, detached{at: s.seq})
		s.pending.add(takeUpDocument, n.document)
	}
	return nil
}

// waiting is the history that waits at a path.
func (s *Store) waiting(at string) (history, error) {
	if !s.anyDetached {
		return history{}, nil
	}
	found, known := s.detached.at(at)
	if known {
		return found.history, nil
	}
	_, err := s.meta.one(func(r row) error {
		found.history = history{document: r.int(0), revision: r.int(1), sha256: r.hash(2)}
		return nil
	}, `SELECT document.id, coalesce(revision.id, 0), revision.sha256 FROM document
		LEFT JOIN revision ON revision.document = document.id AND NOT revision.lost
		WHERE document.path = ? ORDER BY document.deleted DESC, document.id DESC, revision.number DESC LIMIT 1`, []byte(at))
	return found.history, err
}

// bury sees to the content of a node that loses its last name, at path: what
// was durable once and is not in history yet will be, before the node goes.
// What lived too shortly to reach the disk is cancelled without a trace.
func (t *Tree) bury(n *node, at string) error {
	if !n.unrecorded() || t.store.Junk(at) {
		return nil
	}
	n.mourned, n.owed.path = true, at
	return t.identify(n, at)
}

// unrecorded: n holds what was durable once and is in no history.
func (n *node) unrecorded() bool {
	return n.holdsContent() && n.stored && !n.sealed && !n.kept && !n.hollow()
}

// leaveIdentity sees to the history of a node that is about to lose its name in
// d: with its last name it stays behind at that path.
func (t *Tree) leaveIdentity(n, d *node, name string, now int64) error {
	if !n.holdsContent() || n.document == 0 && !n.unrecorded() {
		return nil
	}
	at, err := t.store.pathIn(d, name)
	if err != nil {
		return err
	}
	if n.nlink > 1 {
		if done, err := t.inheritLinked(n, d, name, at, now); done || err != nil {
			return err
		}
		if t.store.isHome(n, at) {
			t.vacate(d, name, n, now)
		}
		return nil
	}
	if err := t.bury(n, at); err != nil {
		return err
	}
	if n.document != 0 {
		t.detach(n, at, now)
		t.store.vacated[place{d.id, name}] = vacancy{node: n.id, document: n.document, at: now, waits: true, removed: true}
	}
	return nil
}

// inheritance is the history that what replaces n at path goes on with: n loses
// that name.
func (t *Tree) inheritance(n *node, path string, now int64) (history, error) {
	if !n.holdsContent() {
		return history{}, nil
	}
	if n.nlink > 1 {
		left := n.history
		if left.document == 0 || !t.store.isHome(n, path) {
			return history{}, nil
		}
		t.strip(n, now)
		return left, nil
	}
	err := t.bury(n, path)
	return n.history, err
}

// strip takes a node's identity away. Its content is in that document's history,
// or is owed to it, and need not be recorded for the sake of its next identity.
func (t *Tree) strip(n *node, now int64) {
	n.kept = n.kept || n.sealed
	n.history = history{}
	t.unseal(n, now)
	t.touch(n, dirtyRow)
}

func (t *Tree) unseal(n *node, now int64) {
	n.sealed, n.changed = false, now
	if n.since == 0 {
		n.since = now
	}
	t.store.unsealed[n.id] = n
}

// carryIdentity applies the rules above to a rename.
func (t *Tree) carryIdentity(n, from *node, oldName string, to *node, newName string, target *node, now int64) error {
	s := t.store
	if !n.holdsContent() {
		if n.isDir() && s.junkName(oldName) != s.junkName(newName) {
			s.sweep = true // what is below changed its nature
		}
		if target != nil { // a special file has no history to go on with
			return t.leaveIdentity(target, to, newName, now)
		}
		return nil
	}
	if !n.sealed {
		t.unseal(n, now)
	}
	was, err := s.pathIn(from, oldName)
	if err != nil {
		return err
	}
	at, err := s.pathIn(to, newName)
	if err != nil {
		return err
	}
	if target != nil {
		left, err := t.inheritance(target, at, now)
		if err != nil {
			return err
		}
		if left.document != 0 {
			if n.document != 0 {
				t.detach(n, was, now)
				s.vacated[place{from.id, oldName}] = vacancy{node: n.id, document: n.document, at: now, waits: true}
			}
			n.history = left
			n.callItNow(to, newName)
			t.unseal(n, now)
			return nil
		}
	}
	switch {
	case n.nlink > 1 && !s.isHome(n, was):
		return nil
	case n.nlink == 1 && s.Junk(at) && !s.Junk(was):
		return t.leaveForJunk(n, was, now)
	case n.document == 0 && n.nlink > 1:
		return t.comeWithout(n, to, newName, now)
	case n.document == 0:
		return t.reclaim(to, newName, n, now)
	}
	if done, err := t.succeed(to, newName, n, was, at, now); done || err != nil {
		return err
	}
	t.vacate(from, oldName, n, now)
	return nil
}

// linkIdentity applies them to a new name of n: a temporary may be linked into
// the place of what was removed. Who links an old document means two names, until
// the first of them goes.
func (t *Tree) linkIdentity(n, to *node, newName string, now int64) error {
	s := t.store
	switch {
	case !n.holdsContent():
		return nil
	case n.document == 0:
		return t.comeWithout(n, to, newName, now)
	case n.nlink != 1:
		return nil
	case now-n.btime > int64(s.options.Quiet):
		s.expectUnlink(n, place{to.id, newName}, now)
		return nil
	}
	was, err := s.pathOf(n)
	if err != nil {
		return err
	}
	at, err := s.pathIn(to, newName)
	if err != nil {
		return err
	}
	done, err := t.succeed(to, newName, n, was, at, now)
	if done && err == nil {
		n.callItNow(to, newName)
	}
	return err
}

// comeWithout: n, which has no document yet, gets a name. If one waits there, it
// is this name that n is sealed under, although it may have another for a moment
// yet: a temporary that is linked into place would make a document of its own.
func (t *Tree) comeWithout(n, to *node, newName string, now int64) error {
	s := t.store
	if err := t.reclaim(to, newName, n, now); err != nil {
		return err
	}
	if !s.anyDetached || n.nlink == 0 {
		return nil
	}
	at, err := s.pathIn(to, newName)
	if err != nil {
		return err
	}
	left, err := s.waiting(at)
	if err == nil && left.document != 0 {
		n.callItNow(to, newName)
	}
	return err
}

// leaveForJunk: n leaves its identity at the path it had, and with it content
// that was not recorded yet.
func (t *Tree) leaveForJunk(n *node, was string, now int64) error {
	if n.unrecorded() {
		if err := t.identify(n, was); err != nil {
			return err
		}
		n.owed = debt{n.history, was, n.wroteBy}
	}
	if n.document != 0 {
		t.detach(n, was, now)
		t.strip(n, now)
	}
	return nil
}
