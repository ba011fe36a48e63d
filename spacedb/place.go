package spacedb

import (
	"crypto/sha256"
	"hash"
	"io"
	"os"
)

// Guard is what a path operation expects to find; anything else is ErrChanged
// and nothing is done.
type Guard struct {
	Absent  bool
	ID      NodeID // 0: any node, and nothing else is checked
	Version uint64
	Mode    uint32 // type and permissions
}

// GuardOf expects exactly the node that a describes.
func GuardOf(a Attr) Guard { return Guard{ID: a.ID, Version: a.Version, Mode: a.Mode} }

func (g Guard) check(n *node) error {
	switch {
	case g.Absent:
		if n != nil {
			return ErrChanged
		}
	case n == nil:
		return ErrChanged
	case g.ID != 0 && (n.id != g.ID || n.mode != g.Mode || n.holdsContent() && n.version != g.Version):
		return ErrChanged
	}
	return nil
}

// self owns what this process brings into the tree.
func self() Cred { return Cred{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())} }

// Staged is content on its way into the tree, at no path yet. It is hashed as
// it is written. For one goroutine.
type Staged struct {
	tree *Tree
	node *node
	hash hash.Hash
	size int64

	id      string // the UUID it shall have
	otherID bool
}

// Stage makes room for new content. Place it or Discard it.
func (t *Tree) Stage() *Staged {
	s := t.store
	s.lockTree()
	defer s.mu.Unlock()
	n := t.newNode(TypeRegular|0o644, t.step())
	n.staged = true
	delete(s.unsealed, n.id)
	return &Staged{tree: t, node: n, hash: sha256.New()}
}

// Write appends.
func (g *Staged) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if g.size+int64(len(p)) > MaxSize {
		return 0, ErrTooLarge
	}
	if err := g.tree.store.waitRoom(); err != nil {
		return 0, err
	}
	g.node.content.Lock()
	defer g.node.content.Unlock()
	if err := g.tree.write(g.node, p, g.size); err != nil {
		return 0, err
	}
	g.hash.Write(p)
	g.size += int64(len(p))
	return len(p), nil
}

// Size is the bytes written so far.
func (g *Staged) Size() int64 { return g.size }

// SHA256 is the hash of the bytes written so far.
func (g *Staged) SHA256() (h Hash) {
	g.hash.Sum(h[:0])
	return h
}

// Discard drops the content; after Place it does nothing.
func (g *Staged) Discard() {
	s := g.tree.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.node.staged {
		g.node.staged = false
		g.tree.release(g.node)
	}
}

// at begins a path operation: it returns the directory, the name and what is
// there, once the guard has seen it. The lock is held in any case.
func (t *Tree) at(path string, expect Guard) (d *node, name string, n *node, err error) {
	if err := t.change(); err != nil {
		return nil, "", nil, err
	}
	return t.store.find(path, expect)
}

func (s *Store) find(path string, expect Guard) (d *node, name string, n *node, err error) {
	dir, name := splitPath(path)
	if err := checkName(name); err != nil {
		return nil, "", nil, err
	}
	if d, err = s.walk(dir); err != nil {
		return nil, "", nil, err
	}
	n, err = s.child(d, name)
	if err != nil && err != ErrNotFound {
		return nil, "", nil, err
	}
	return d, name, n, expect.check(n)
}

// Place puts staged content at path as a document, in one step, in place of
// what the guard names; its directory must exist. Like rename(2) it gives the
// path a new inode, so that who has the old one open goes on reading it, unless
// the old content goes on in the new (extend.go); the document keeps its
// identity. The result is already sealed.
func (t *Tree) Place(path string, expect Guard, g *Staged, perm uint32, mtime int64) (Attr, error) {
	s := t.store
	sum := g.SHA256()
	if a, extended, err := t.extend(path, expect, g, perm, mtime); extended || err != nil {
		return a, err
	}
	d, name, old, err := t.at(path, expect)
	defer s.mu.Unlock()
	switch {
	case err != nil:
		return Attr{}, err
	case old != nil && old.isDir():
		return Attr{}, ErrIsDir
	case !g.node.staged:
		return Attr{}, ErrInvalid
	}
	now := t.step()
	n := g.node
	n.mode = TypeRegular | perm&PermMask
	if err := t.settleStaged(d, name, old, n, path, g.id, mtime, now, &g.otherID, sum); err != nil {
		return Attr{}, err
	}
	return n.attr(), nil
}

// SetID asks for the document's UUID: that of one that is nowhere in the tree,
// or of none yet. OtherID says after Place that it could not be had, because the
// path has a document already, or the UUID is another path's.
func (g *Staged) SetID(id string) { g.id = id }

// OtherID: see SetID.
func (g *Staged) OtherID() bool { return g.otherID }

// takeOver makes path name n, which had no name, instead of old.
func (t *Tree) takeOver(d *node, name string, old, n *node, path string, now int64) error {
	s := t.store
	if old == nil {
		if err := t.reclaim(d, name, n, now); err != nil {
			return err
		}
	} else {
		left, err := t.inheritance(old, path, now)
		if err != nil {
			return err
		}
		n.history = left
		if err := t.inheritXattrs(old, n); err != nil {
			return err
		}
		t.unname(d, name, old, now)
	}
	n.nlink = 1
	s.usageNodes.Add(1)
	t.enter(d, name, n)
	n.ctime = now
	d.mtime, d.ctime = now, now
	t.touch(n, dirtyRow|dirtyContent)
	return nil
}

// PlaceDir makes a directory at path.
func (t *Tree) PlaceDir(path string, expect Guard, perm uint32, mtime int64) (Attr, error) {
	d, name, old, err := t.at(path, expect)
	defer t.store.mu.Unlock()
	if err == nil && old != nil {
		err = ErrExist
	}
	if err != nil {
		return Attr{}, err
	}
	n, err := t.create(d.id, name, TypeDir|perm&PermMask, 0, self())
	if err != nil {
		return Attr{}, err
	}
	n.mtime = mtime
	return n.attr(), nil
}

// PlaceSymlink puts a symlink at path in place of what the guard names.
func (t *Tree) PlaceSymlink(path string, expect Guard, target string, mtime int64) (Attr, error) {
	p := t.PlaceSymlinkAs(path, expect, target, mtime, "")
	return p.Attr, p.Err
}

// PlaceSymlinkAs is PlaceSymlink for one that shall have a UUID, as a document
// can: see Staged.SetID.
func (t *Tree) PlaceSymlinkAs(path string, expect Guard, target string, mtime int64, id string) (p Placed) {
	if p.Err = checkTarget(target); p.Err != nil {
		return p
	}
	s := t.store
	d, name, old, err := t.at(path, expect)
	defer s.mu.Unlock()
	switch {
	case err != nil:
		p.Err = err
		return p
	case old != nil && old.isDir():
		p.Err = ErrIsDir
		return p
	}
	now := t.step()
	n := t.newNode(TypeSymlink|0o777, now)
	t.setTarget(n, target)
	if p.Err = t.settleStaged(d, name, old, n, path, id, mtime, now, &p.OtherID, sha256.Sum256([]byte(target))); p.Err != nil {
		return p
	}
	p.Attr = n.attr()
	return p
}

// ChangeAt sets permissions and times of what is at path.
func (t *Tree) ChangeAt(path string, expect Guard, set AttrChange) (Attr, error) {
	if set.Size != nil {
		return Attr{}, ErrInvalid
	}
	s := t.store
	if path == "" {
		return t.SetAttr(Root, set)
	}
	_, _, n, err := t.at(path, expect)
	defer s.mu.Unlock()
	if err == nil && n == nil {
		err = ErrNotFound
	}
	if err != nil {
		return Attr{}, err
	}
	if err := t.apply(n, set, t.step()); err != nil {
		return Attr{}, err
	}
	return n.attr(), nil
}

// MoveAt renames what is at path, and takes its history along; there must be
// nothing at to, and a directory to be in.
func (t *Tree) MoveAt(path string, expect Guard, to string) (Attr, error) {
	s := t.store
	from, name, n, err := t.at(path, expect)
	defer s.mu.Unlock()
	if err == nil && n == nil {
		err = ErrNotFound
	}
	if err != nil {
		return Attr{}, err
	}
	dir, newName := splitPath(to)
	if err := checkName(newName); err != nil {
		return Attr{}, err
	}
	d, err := s.walk(dir)
	if err != nil {
		return Attr{}, err
	}
	switch _, err := s.child(d, newName); err {
	case ErrNotFound:
	case nil:
		return Attr{}, ErrExist
	default:
		return Attr{}, err
	}
	if err := s.within(n, d); err != nil {
		return Attr{}, err
	}
	if err := t.move(from, name, n, d, newName, nil); err != nil {
		return Attr{}, err
	}
	return n.attr(), nil
}

// RemoveAt removes a document, symlink, special file, or empty directory.
func (t *Tree) RemoveAt(path string, expect Guard) error {
	s := t.store
	d, name, n, err := t.at(path, expect)
	defer s.mu.Unlock()
	if err == nil && n == nil {
		err = ErrNotFound
	}
	if err == nil && n.isDir() {
		err = s.removableDir(n)
	}
	if err != nil {
		return err
	}
	return t.remove(d, name, n)
}

// Keep stores content as a revision of the document at path, made if there is
// none, without changing the tree: what lost a conflict.
func (t *Tree) Keep(path string, mode uint32, mtime int64, content io.Reader) (Revision, error) {
	s := t.store
	g := t.Stage()
	defer g.Discard()
	if _, err := io.Copy(g, content); err != nil {
		return Revision{}, err
	}
	sum := g.SHA256()
	err := t.change()
	defer s.mu.Unlock()
	if err != nil {
		return Revision{}, err
	}
	bearer, err := s.walk(path)
	if err != nil && err != ErrNotFound && err != ErrNotDir {
		return Revision{}, err
	}
	now := t.step()
	n := g.node
	n.mode, n.mtime, n.changed, n.wroteBy = mode, mtime, now, t.by
	if bearer != nil && bearer.holdsContent() {
		if err := t.identify(bearer, path); err != nil {
			return Revision{}, err
		}
		t.touch(bearer, dirtyRow)
		n.document = bearer.document
	} else {
		if err := t.identify(n, path); err != nil {
			return Revision{}, err
		}
		t.detach(n, path, now)
	}
	s.last.revision++
	n.seals = append(n.seals, sealing{
		document: n.document, revision: s.last.revision, path: path, time: now, by: t.by, sha256: sum, lost: true,
	})
	n.sealed = true
	t.touch(n, dirtyRow|dirtyContent)
	return Revision{Path: path, Origin: t.by.Origin, Run: t.by.Run, Mode: mode, Size: g.size, SHA256: sum, Lost: true}, nil
}
