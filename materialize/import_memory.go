package materialize

import (
	"encoding/binary"
	"time"

	"spacefs/spacedb"
)

// sourceMemory is what the last import of the same directory saw, so that
// importing it again reads only what looks different: of each file its size,
// times and inode, as git's index has them. It counts only where the space has
// not changed since either. A directory that looks the same has its mode and
// time in the space already.
type sourceMemory struct {
	source, into string
	began        uint64 // what the space had done when this import began
	changed      pathSet

	had    map[string][]byte // by directory, packed
	dir    string            // whose looks are unpacked
	dirHad map[string]stamp

	seen    map[string][]byte // of this import
	spoiled map[string]struct{}
	now     time.Time
}

// recall finds what is remembered. An import with a manifest remembers nothing:
// the manifest may change without the files.
func (m *importer) recall(dir string) (*sourceMemory, error) {
	if m.origin != nil || m.flat() {
		return nil, nil
	}
	s := &sourceMemory{
		source: sourcePath(dir), into: m.options.Into, began: m.store.Seq(), seen: map[string][]byte{}, spoiled: map[string]struct{}{}, now: time.Now(),
	}
	seen, known, err := m.store.Source(s.source, s.into)
	if err != nil || !known {
		return s, err
	}
	paths, reaches, err := m.store.ChangedSince(m.ctx, seen.Seq)
	if err != nil || !reaches {
		return s, err
	}
	for _, p := range paths {
		s.changed.put(p)
	}
	s.had = seen.Dirs
	return s, nil
}

// knows says whether a file is as it was when it was imported, and so is its
// document. It remembers the file for the next time.
func (s *sourceMemory) knows(path string, st stamp) bool {
	switch {
	case s == nil:
		return false
	case st.kind() != spacedb.TypeRegular && st.kind() != spacedb.TypeSymlink && !st.isDir():
		return false
	}
	dir, name := splitPath(path)
	st = st.settled(s.now)
	s.seen[dir] = appendLook(s.seen[dir], name, st)
	if len(s.had) == 0 {
		return false
	}
	if dir != s.dir || s.dirHad == nil {
		s.dir, s.dirHad = dir, unpackLooks(s.had[dir])
	}
	was, known := s.dirHad[name]
	return known && was == st && st.ctime != 0 && !s.changed.cover(join(s.into, path))
}

// spoil forgets a file that could not be imported.
func (s *sourceMemory) spoil(path string) {
	if s != nil {
		s.spoiled[path] = struct{}{}
	}
}

// remember keeps what this import saw.
func (m *importer) remember(s *sourceMemory) error {
	if s == nil {
		return nil
	}
	for p := range s.spoiled {
		dir, _ := splitPath(p)
		delete(s.seen, dir) // its neighbours are read once more; that is all
		delete(s.seen, p)
	}
	if m.result.Imported == 0 && sameMemory(s.had, s.seen) {
		return nil
	}
	if m.astray {
		return nil // the next import would take what is at a path for what came from it
	}
	return m.store.RememberSource(s.source, s.into, s.began, m.result.Run, s.seen)
}

func sameMemory(a, b map[string][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for dir, looks := range a {
		if string(b[dir]) != string(looks) {
			return false
		}
	}
	return true
}

func appendLook(b []byte, name string, st stamp) []byte {
	b = binary.AppendUvarint(b, uint64(len(name)))
	b = append(b, name...)
	b = binary.AppendUvarint(b, uint64(st.mode))
	b = binary.AppendVarint(b, st.size)
	b = binary.AppendVarint(b, st.mtime)
	b = binary.AppendVarint(b, st.ctime)
	return binary.AppendUvarint(b, st.inode)
}

// unpackLooks reads what appendLook wrote; at what it did not write it ends.
func unpackLooks(b []byte) map[string]stamp {
	looks := map[string]stamp{}
	r := reader{b}
	for len(r.rest) > 0 {
		size := r.unsigned()
		if size == 0 || size > uint64(len(r.rest)) {
			return looks
		}
		name := string(r.rest[:size])
		r.rest = r.rest[size:]
		st := stamp{mode: uint32(r.unsigned()), size: r.signed(), mtime: r.signed(), ctime: r.signed(), inode: r.unsigned()}
		looks[name] = st
	}
	return looks
}

type reader struct{ rest []byte }

func (r *reader) unsigned() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.rest = r.rest[max(n, 0):]
	if n <= 0 {
		r.rest = nil
	}
	return v
}

func (r *reader) signed() int64 {
	v, n := binary.Varint(r.rest)
	r.rest = r.rest[max(n, 0):]
	if n <= 0 {
		r.rest = nil
	}
	return v
}
