package materialize

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"spacefs/internal/seed"
)

// scanned is what a scan finds, at a glance or with a look at every row of the
// base.
func (p *pair) scanned(everyRow bool) (differs []string, unknown int) {
	p.Helper()
	mirror, err := openMirror(p.store, p.dir)
	p.ok(err)
	defer mirror.root.Close()
	v, err := p.store.Snapshot(p.Context())
	p.ok(err)
	defer v.Close()
	base, err := openBaseline(v, mirror.known.ID, false)
	p.ok(err)
	alone, err := openIgnoring(v, mirror.root)
	p.ok(err)
	s := &mirrorScanner{ctx: p.Context(), root: mirror.root, base: base, junk: v.Junk, alone: alone, now: tomorrow, step: func() {}}
	var f *focus
	if everyRow {
		p.ok(base.load())
		f = &focus{mirror: map[string]bool{}}
		for path := range base.entries {
			f.mirror[path] = true
		}
		names, err := os.ReadDir(p.dir)
		p.ok(err)
		for _, e := range names {
			if e.Name() != stateDir && !v.Junk(e.Name()) {
				f.mirror[e.Name()] = true
			}
		}
	}
	out, err := s.scan(f, &spaceScan{})
	p.ok(err)
	for _, found := range []map[string]observation{out.changed, out.touched} {
		for path, o := range found {
			differs = append(differs, fmt.Sprint(path, o))
		}
	}
	slices.Sort(differs)
	return differs, len(out.glances)
}

// What a scan finds does not depend on what it remembers.
func TestAGlanceMissesNothing(t *testing.T) {
	rng := rand.New(rand.NewSource(seed.Of(t)))
	p := newPair(t)
	dirs := []string{"", "a", "a/b", "a-", "a-/b", "c"}
	path := func() string { // in something that is, or may become, a directory
		for _, d := range dirs[1:] {
			if info, err := os.Lstat(filepath.Join(p.dir, d)); err == nil && !info.IsDir() {
				p.inMirror(d, "")
			}
		}
		return join(dirs[rng.Intn(len(dirs))], []string{"x", "y", "z~", "b", "w", ".x"}[rng.Intn(6)])
	}
	for i := range 40 {
		for range 4 { // what no sync has seen yet
			switch at := path(); rng.Intn(6) {
			case 0:
				p.inMirror(at, "")
			case 1:
				if at != "a/b" && at != "a-/b" {
					p.inMirror(at, "@target")
				}
			case 2:
				_ = os.Chmod(filepath.Join(p.dir, at), os.FileMode(0o700|rng.Intn(0o100)))
			case 3: // in place, of the same size and time
				full := filepath.Join(p.dir, at)
				if info, err := os.Lstat(full); err == nil && info.Mode().IsRegular() {
					text := fmt.Appendf(nil, "%0*d", info.Size(), i)
					p.ok(os.WriteFile(full, text[:info.Size()], 0o644))
					p.ok(os.Chtimes(full, time.Time{}, info.ModTime()))
				}
			default:
				if info, err := os.Lstat(filepath.Join(p.dir, at)); err != nil || !info.IsDir() {
					p.inMirror(at, fmt.Sprint("text ", i))
				}
			}
		}
		quick, _ := p.scanned(false)
		thorough, _ := p.scanned(true)
		if !slices.Equal(quick, thorough) {
			t.Fatalf("round %d: at a glance\n%q\nof every row\n%q", i, quick, thorough)
		}
		for range 2 {
			p.sync(SyncOptions{AcceptDeletes: true, Now: tomorrow})
		}
		if differs, unknown := p.scanned(false); len(differs)+unknown > 0 {
			t.Fatalf("round %d: after two syncs %q differ, and %d directories are not recognised", i, differs, unknown)
		}
	}
}

// tomorrow nothing is too young to be trusted.
func tomorrow() time.Time { return time.Now().Add(24 * time.Hour) }
