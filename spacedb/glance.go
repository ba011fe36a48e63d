package spacedb

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// A glance says how a directory of a mirror looks while everything that is
// directly in it is as the base has it: one look at the directory then does for
// all the base's rows about it. It follows from them, and goes when one of them
// moves; where there is none, the rows are read.
type Glance struct {
	Dir string // GlanceKey of the directory
	Sum GlanceSum
}

// GlanceSum sums up how the entries of a directory look.
type GlanceSum [16]byte

// GlanceKey is where a directory comes in a walk that is in byte order of paths.
func GlanceKey(dir string) string {
	if dir == "" {
		return ""
	}
	return dir + "/"
}

// Glancing makes the sum of a directory, entry by entry in byte order of names:
// the first half of the SHA-256 of each one's name, NUL, mode, and, if it is no
// directory, size, times and inode. docs/space-format.md has it for others.
type Glancing struct {
	hash hash.Hash
	buf  []byte
	sum  []byte
}

// Add is an entry as stat(2) tells of it.
func (g *Glancing) Add(name string, mode uint32, size, mtime, ctime int64, inode uint64) {
	g.buf = append(append(g.buf, name...), 0)
	g.buf = binary.LittleEndian.AppendUint32(g.buf, mode)
	if mode&TypeMask != TypeDir { // whose size and times change with every entry, and say nothing
		for _, v := range [...]uint64{uint64(size), uint64(mtime), uint64(ctime), inode} {
			g.buf = binary.LittleEndian.AppendUint64(g.buf, v)
		}
	}
	if len(g.buf) >= 4<<10 {
		g.flush()
	}
}

func (g *Glancing) flush() {
	if g.hash == nil {
		g.hash = sha256.New()
	}
	g.hash.Write(g.buf)
	g.buf = g.buf[:0]
}

// Sum ends a directory, and the next one begins.
func (g *Glancing) Sum() (s GlanceSum) {
	g.flush()
	g.sum = g.hash.Sum(g.sum[:0])
	g.hash.Reset()
	copy(s[:], g.sum)
	return s
}

// Glances goes through the glances of a mirror in the order of a walk.
type Glances struct {
	v      *Snapshot
	mirror int64
	held   []Glance
	buf    []Glance
	next   string
	done   bool
}

const glancesMost = 512

// Glances begins with the root's.
func (v *Snapshot) Glances(mirror int64) *Glances { return &Glances{v: v, mirror: mirror} }

// Is says whether a directory's glance is sum. Directories are asked for in the
// order of a walk.
func (g *Glances) Is(dir string, sum GlanceSum) (bool, error) {
	for {
		for len(g.held) > 0 && g.held[0].Dir < dir {
			g.held = g.held[1:]
		}
		if len(g.held) > 0 {
			return g.held[0].Dir == dir && g.held[0].Sum == sum, nil
		}
		if g.done {
			return false, nil
		}
		if err := g.read(dir); err != nil {
			return false, err
		}
	}
}

func (g *Glances) read(from string) error {
	g.buf = g.buf[:0]
	err := g.v.conn.query(func(r row) error {
		g.buf = append(g.buf, Glance{r.text(0), glanceSum(r.bytes(1))})
		return nil
	}, `SELECT dir, sum FROM glance WHERE mirror = +? AND dir >= ? ORDER BY dir LIMIT ?`, g.mirror, []byte(max(from, g.next)), glancesMost)
	g.held, g.done = g.buf, len(g.buf) < glancesMost
	if !g.done {
		g.next = g.held[len(g.held)-1].Dir + "\x00"
	}
	return err
}

func glanceSum(b []byte) (s GlanceSum) {
	if len(b) == len(s) {
		copy(s[:], b)
	}
	return s
}

// KeepGlances adds glances at what a snapshot's base says. If a base has moved
// since, they are dropped: they may be about what was.
func (s *Store) KeepGlances(v *Snapshot, mirror int64, glances []Glance) error {
	if len(glances) == 0 {
		return nil
	}
	statements := make([]statement, len(glances))
	for i, g := range glances {
		statements[i] = statement{`REPLACE INTO glance (mirror, dir, sum) VALUES (?, ?, ?)`, []any{mirror, []byte(g.Dir), g.Sum[:]}}
	}
	err := s.Tree(Actor{Origin: OriginCLI}).change()
	defer s.mu.Unlock()
	if err == nil && s.basesMoved == v.basesMoved {
		s.recordLocked(statements...)
	}
	return err
}

// dropGlances is what goes when the base moves at some paths.
func dropGlances(mirror int64, set []BaseEntry, remove []string) []statement {
	dirs := map[string]struct{}{}
	above := func(path string) {
		dir, _ := splitPath(path)
		dirs[GlanceKey(dir)] = struct{}{}
	}
	for _, b := range set {
		above(b.Path)
	}
	for _, p := range remove {
		above(p)
		dirs[GlanceKey(p)] = struct{}{}
	}
	statements := make([]statement, 0, len(dirs))
	for dir := range dirs {
		statements = append(statements, statement{`DELETE FROM glance WHERE mirror = ? AND dir = ?`, []any{mirror, []byte(dir)}})
	}
	return statements
}
