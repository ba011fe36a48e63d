package spacedb

import (
	"github.com/google/uuid"
)

// NewFile is a document that comes with its content whole and hashed.
type NewFile struct {
	Name   string // in its directory
	Expect Guard
	// Content belongs to the store from now on; it is not copied.
	Content []byte
	SHA256  Hash
	Perm    uint32
	Mtime   int64
	ID      string // the UUID that the document shall have; "": any. See Staged.SetID
}

// Placed is what became of a NewFile.
type Placed struct {
	Attr    Attr
	Err     error
	OtherID bool // it has another id than it should
}

// PlaceFiles is Place for many small documents of one directory: each is a step
// of its own, but the lock is taken once and nothing is copied.
func (t *Tree) PlaceFiles(dir string, files []NewFile) []Placed {
	s := t.store
	placed := make([]Placed, len(files))
	all := func(err error) []Placed {
		for i := range placed {
			placed[i].Err = err
		}
		return placed
	}
	if err := s.waitBulk(); err != nil {
		return all(err)
	}
	err := t.change()
	defer s.mu.Unlock()
	if err != nil {
		return all(err)
	}
	d, err := s.walk(dir)
	if err != nil {
		return all(err)
	}
	path, err := s.pathOf(d)
	if err != nil {
		return all(err)
	}
	if path != "" {
		path += "/"
	}
	for i := range files {
		placed[i] = t.placeFile(d, path, &files[i])
	}
	return placed
}

// bulkCommit is how many bytes of documents that come in bulk are worth a commit,
// which goes on while more come. Few enough, and SQLite fills the same few pages
// of memory and of the WAL each time.
const bulkCommit = 16 << 20

// waitBulk has what came committed, and waits for the commit before it.
func (s *Store) waitBulk() error {
	dirty := s.dirtyBytes.Load()
	if dirty >= bulkCommit {
		signal(s.enough)
	}
	if dirty >= 2*bulkCommit {
		s.waitCommitted()
	}
	return s.waitRoom()
}

// waitCommitted waits for the commit that goes on, if one does.
func (s *Store) waitCommitted() {
	s.committing.Lock()
	defer s.committing.Unlock()
}

func (t *Tree) placeFile(d *node, dir string, f *NewFile) (p Placed) {
	s := t.store
	if p.Err = checkName(f.Name); p.Err != nil {
		return p
	}
	if int64(len(f.Content)) > MaxSize {
		p.Err = ErrTooLarge
		return p
	}
	old, err := s.child(d, f.Name)
	if err == ErrNotFound {
		old, err = nil, nil
	}
	if err == nil {
		err = f.Expect.check(old)
	}
	if err == nil && old != nil && old.isDir() {
		err = ErrIsDir
	}
	if err != nil {
		p.Err = err
		return p
	}
	now := t.step()
	n := t.newNode(TypeRegular|f.Perm&PermMask, now)
	t.fill(n, f.Content)
	n.staged = true
	if p.Err = t.settleStaged(d, f.Name, old, n, dir+f.Name, f.ID, f.Mtime, now, &p.OtherID, f.SHA256); p.Err != nil {
		n.staged = false
		t.release(n)
		return p
	}
	p.Attr = n.attr()
	return p
}

// fill gives a new node its content without copying it.
func (t *Tree) fill(n *node, content []byte) {
	for idx := int64(0); len(content) > 0; idx++ {
		some := content[:min(chunkSize, len(content))]
		content = content[len(some):]
		pg := t.store.writable(n, idx)
		pg.data = some[:len(some):len(some)] // whoever appends takes a copy
		t.store.dirtyBytes.Add(int64(len(some)))
		n.size += int64(len(some))
	}
	n.version, n.wroteBy = t.store.seq, t.by
	t.touch(n, dirtyRow|dirtyContent)
}

// settleStaged gives staged content its name, its identity and its revision.
func (t *Tree) settleStaged(d *node, name string, old, n *node, path, id string, mtime, now int64, otherID *bool, sum Hash) error {
	s := t.store
	owner := self()
	n.uid, n.gid = owner.UID, owner.GID
	if old != nil {
		n.uid, n.gid = old.uid, old.gid
	}
	if err := t.takeOver(d, name, old, n, path, now); err != nil {
		return err
	}
	n.staged = false
	if n.isRegular() {
		s.usageBytes.Add(n.size)
	}
	n.mtime, n.changed = mtime, now
	if s.Junk(path) {
		return nil
	}
	if id != "" {
		got, err := t.identifyAs(n, path, id)
		if err != nil {
			return err
		}
		*otherID = !got
	}
	return t.seal(n, path, sum)
}

// identifyAs is identify for a node that should carry the document with a UUID:
// one that is nowhere in the tree, or none yet. got is false when it carries
// another: the path has a document already, or the UUID is another path's.
func (t *Tree) identifyAs(n *node, at, id string) (got bool, err error) {
	s := t.store
	if parsed, err := uuid.Parse(id); err != nil || parsed.String() != id {
		return false, t.identify(n, at)
	}
	var known history
	var waits string
	detachedThere := false
	found, err := s.meta.one(func(r row) error {
		known = history{document: r.int(0), revision: r.int(1), sha256: r.hash(2)}
		waits, detachedThere = r.text(3), r.values[3] != nil
		return nil
	}, `SELECT document.id, coalesce(revision.id, 0), revision.sha256, document.path FROM document
		LEFT JOIN revision ON revision.document = document.id AND NOT revision.lost
		WHERE document.uuid = ? ORDER BY revision.number DESC LIMIT 1`, id)
	if err != nil {
		return false, err
	}
	if n.document != 0 {
		return found && n.document == known.document, nil
	}
	if found {
		// Memory is newer than the file about what waits at a path.
		if now, remembered := s.detached.at(waits); remembered && now.document != known.document {
			detachedThere = false
		}
		if !detachedThere {
			return false, t.identify(n, at)
		}
		n.history = known
		s.detached.put(waits, detached{at: s.seq})
		s.pending.add(takeUpDocument, n.document)
		return true, nil
	}
	if err := t.identifyWaiting(n, at); err != nil || n.document != 0 {
		return false, err
	}
	t.newDocument(n, id)
	return true, nil
}
