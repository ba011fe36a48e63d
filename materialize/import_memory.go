package materialize

import (
	"bytes"
	"encoding/binary"
	"strings"
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

	had  map[string][]byte  // by directory, packed
	rest map[string]*reader // what of it comes after the names that were asked for

	seen    map[string][]byte // of this import
	spoiled map[string]struct{}
	now     time.Time
	packed  []byte // room for packing
}

// recall finds what is remembered. An import with a manifest remembers nothing:
// the manifest may change without the files.
func (m *importer) recall(dir string) (*sourceMemory, error) {
	if m.origin != nil || m.flat() {
		return nil, nil
	}
	s := &sourceMemory{
		source: m.sourceOf(dir), into: m.options.Into, began: m.store.Seq(), seen: map[string][]byte{},
		spoiled: map[string]struct{}{}, rest: map[string]*reader{}, now: time.Now(),
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

// sourceOf is what a source is remembered as: apart when its extended attributes
// were looked at.
func (m *importer) sourceOf(dir string) string {
	if m.withAttributes {
		return sourcePath(dir) + "\x00metadata"
	}
	return sourcePath(dir)
}

// knowsAll is knows for a whole stretch, which is what it takes nearly always: its
// bytes are what comes next in what is remembered.
func (s *sourceMemory) knowsAll(it *stretch) bool {
	if s == nil || it.err != nil || len(it.entries) == 0 {
		return false
	}
	r := s.remembered(it.in.path)
	if r == nil || s.changed.touches(join(s.into, it.in.path)) {
		return false
	}
	s.packed = s.packed[:0]
	for i := range it.entries {
		e := &it.entries[i]
		st := e.stat.settled(s.now)
		if e.err != nil || st.ctime == 0 || !memorable(st) {
			return false
		}
		s.packed = appendLook(s.packed, e.name, st)
	}
	if !bytes.HasPrefix(r.rest, s.packed) {
		return false
	}
	same := r.rest[:len(s.packed):len(s.packed)]
	r.rest = r.rest[len(same):]
	if seen := s.seen[it.in.path]; seen != nil {
		same = append(seen, same...)
	}
	s.seen[it.in.path] = same
	return true
}

// memorable: nothing else is imported.
func memorable(st stamp) bool {
	return st.kind() == spacedb.TypeRegular || st.kind() == spacedb.TypeSymlink || st.isDir()
}

// knows says whether a file is as it was when it was imported, and so is its
// document. It remembers the file for the next time.
func (s *sourceMemory) knows(path string, st stamp) bool {
	if s == nil || !memorable(st) {
		return false
	}
	dir, name := splitPath(path)
	st = st.settled(s.now)
	s.seen[dir] = appendLook(s.seen[dir], name, st)
	was, known := s.look(dir, name)
	return known && was == st && st.ctime != 0 && !s.changed.cover(join(s.into, path))
}

// look finds a name among what is remembered of its directory. A walk asks for
// the names of a directory in byte order, which is the order they were put in.
func (s *sourceMemory) look(dir, name string) (st stamp, known bool) {
	r := s.remembered(dir)
	for r != nil && len(r.rest) > 0 {
		before := r.rest
		at, st := r.look()
		switch c := strings.Compare(at, name); {
		case c == 0:
			return st, true
		case c > 0:
			r.rest = before
			return stamp{}, false
		}
	}
	return stamp{}, false
}

// remembered reads what is remembered of a directory; nil is nothing.
func (s *sourceMemory) remembered(dir string) *reader {
	r := s.rest[dir]
	if r == nil {
		if packed, any := s.had[dir]; any {
			r = &reader{packed}
			s.rest[dir] = r
		}
	}
	return r
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

// reader reads what appendLook wrote; what it did not write ends it.
type reader struct{ rest []byte }

func (r *reader) look() (name string, st stamp) {
	size := r.unsigned()
	if size == 0 || size > uint64(len(r.rest)) {
		r.rest = nil
		return "", stamp{}
	}
	name = string(r.rest[:size])
	r.rest = r.rest[size:]
	return name, stamp{mode: uint32(r.unsigned()), size: r.signed(), mtime: r.signed(), ctime: r.signed(), inode: r.unsigned()}
}

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
