package spacedb

import "bytes"

// maxExtension is how many bytes are appended in place; more is more than
// anybody reads as it comes.
const maxExtension = 1 << 20

// extend is Place for content that begins as the document ends: a log that
// grows on the other side. The rest is appended, so that whoever follows the
// file (tail -f) sees it come. The document must be sealed: what it held stays
// in history. extended is false when it is nothing of the kind.
func (t *Tree) extend(path string, expect Guard, g *Staged, perm uint32, mtime int64) (a Attr, extended bool, err error) {
	s := t.store
	old, err := t.Resolve(path)
	grows := g.size - old.Size
	if err != nil || !g.node.staged || !old.IsRegular() || old.Size == 0 || grows <= 0 || grows > maxExtension || s.Junk(path) {
		return Attr{}, false, nil // what is wrong, Place will say
	}
	sum := g.SHA256()
	err = s.held(old.ID, true, func(n *node) error {
		if same, err := s.beginsWith(g.node, n, old.Size); err != nil || !same {
			return err
		}
		tail := make([]byte, grows)
		if _, err := s.readContent(g.node, tail, old.Size); err != nil {
			return err
		}
		if err := s.keepSeals(n); err != nil {
			return err
		}
		err := t.changeContent(n, old.Size, g.size, true)
		defer s.mu.Unlock()
		if err != nil {
			return err
		}
		_, _, is, err := s.find(path, expect)
		if err != nil || is != n || n.size != old.Size || !n.sealed {
			return err
		}
		t.put(n, tail, old.Size)
		if n.mode&PermMask != perm&PermMask {
			n.mode = n.mode&^PermMask | perm&PermMask
			s.watchers.tell(t.by, Change{Origin: t.by.Origin, Node: n.id, Parent: n.parent, Name: n.name, What: AttrChanged})
		}
		n.mtime = mtime
		extended = true
		if err := t.seal(n, path, sum); err != nil {
			return err
		}
		a = n.attr()
		return nil
	})
	if extended && err == nil {
		g.Discard()
	}
	return a, extended, err
}

// beginsWith says whether the first size bytes of a content are another one.
// Both are held.
func (s *Store) beginsWith(long, short *node, size int64) (bool, error) {
	one, other := make([]byte, min(size, chunkSize)), make([]byte, min(size, chunkSize))
	for off := int64(0); off < size; off += chunkSize {
		n, err := s.readContent(long, one, off)
		if err != nil {
			return false, err
		}
		m, err := s.readContent(short, other, off)
		if err != nil || n < m || !bytes.Equal(one[:m], other[:m]) {
			return false, err
		}
	}
	return true, nil
}
