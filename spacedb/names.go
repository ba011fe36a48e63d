package spacedb

import (
	"path"
	"strings"
)

// Reserved is the name at the root of a space that belongs to spacefs: a mount shows
// what is in nobody's tree there.
const Reserved = ".space"

// pathIn is the path of an entry.
func (s *Store) pathIn(d *node, name string) (string, error) {
	parts := []string{name}
	for d.id != Root {
		if err := s.locate(d); err != nil {
			return "", err
		}
		parts = append(parts, d.name)
		up, err := s.node(d.parent)
		if err != nil {
			return "", err
		}
		if len(parts) > maxDepth {
			return "", damaged("directory %d is inside itself", d.id)
		}
		d = up
	}
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return strings.Join(parts, "/"), nil
}

// maxDepth bounds every walk upwards: a hostile file may hold a cycle.
const maxDepth = 1 << 14

func (s *Store) pathOf(n *node) (string, error) {
	if n.id == Root {
		return "", nil
	}
	if err := s.locate(n); err != nil {
		return "", err
	}
	d, err := s.node(n.parent)
	if err != nil {
		return "", err
	}
	return s.pathIn(d, n.name)
}

// locate finds an entry that names n, when none is remembered: n was read by
// its number, or the name it was known by has gone.
func (s *Store) locate(n *node) error {
	if n.parent != 0 {
		return nil
	}
	if n.nlink == 0 {
		return ErrNotFound
	}
	written, err := s.writtenNames(n)
	if err != nil {
		return err
	}
	if len(written) == 0 {
		written = s.unwrittenNames(n, 1)
	}
	if len(written) == 0 {
		return ErrNotFound
	}
	n.parent, n.name = written[0].parent, written[0].name
	return nil
}

// writtenNames are the entries that name n and are in the file.
func (s *Store) writtenNames(n *node) (places []place, err error) {
	var known []place
	err = s.meta.query(func(r row) error {
		known = append(known, place{NodeID(r.int(0)), r.text(1)})
		return nil
	}, `SELECT parent, name FROM entry WHERE node = ?`, n.id)
	for _, p := range known {
		d, err := s.node(p.parent)
		if err != nil || !d.isDir() {
			continue
		}
		// The file may be behind: memory decides whether the entry still stands.
		if c, err := s.child(d, p.name); err == nil && c == n {
			places = append(places, p)
		}
	}
	return places, err
}

// unwrittenNames are up to most entries that name n and may not be in the file
// yet.
func (s *Store) unwrittenNames(n *node, most int) (places []place) {
	for _, d := range s.nodes {
		if !d.isDir() || d.dirty == 0 && d.inFlight == 0 {
			continue
		}
		for name, id := range d.dir.entries {
			if id == n.id {
				places = append(places, place{d.id, name})
			}
			if len(places) == most {
				return places
			}
		}
	}
	return places
}

// pathNotJunk is a path of n that is not junk, and by which it is called from
// now on; if there is none, one that is.
func (s *Store) pathNotJunk(n *node) (string, error) {
	at, err := s.pathOf(n)
	if err != nil || n.nlink == 1 || !s.Junk(at) {
		return at, err
	}
	names, err := s.writtenNames(n)
	if err != nil {
		return "", err
	}
	for _, p := range append(names, s.unwrittenNames(n, int(n.nlink))...) {
		d, err := s.node(p.parent)
		if err != nil {
			return "", err
		}
		other, err := s.pathIn(d, p.name)
		if err != nil {
			return "", err
		}
		if !s.Junk(other) {
			n.parent, n.name = p.parent, p.name
			return other, nil
		}
	}
	return at, nil
}

// Path is a path of the node; of several names, any.
func (s *Store) Path(id NodeID) (string, error) {
	s.lockTree()
	defer s.mu.Unlock()
	n, err := s.node(id)
	if err != nil {
		return "", err
	}
	return s.pathOf(n)
}

// splitPath returns a path's directory and last name.
func splitPath(p string) (dir, name string) {
	dir, name = path.Split(p)
	return strings.TrimSuffix(dir, "/"), name
}
