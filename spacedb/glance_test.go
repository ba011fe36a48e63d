package spacedb

import (
	"context"
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"spacefs/internal/seed"
)

func lookOf(name string, inode uint64) BaseEntry {
	return BaseEntry{Path: name, Mode: TypeRegular | 0o644, MirrorMode: TypeRegular | 0o644, MirrorMtime: 1, MirrorInode: inode}
}

// glanceOf is the right one of a directory with these entries.
func glanceOf(dir string, entries ...BaseEntry) Glance {
	var sum Glancing
	for _, b := range entries {
		_, name := splitPath(b.Path)
		sum.Add(name, b.MirrorMode, b.MirrorSize, b.MirrorMtime, b.MirrorCtime, b.MirrorInode)
	}
	return Glance{GlanceKey(dir), sum.Sum()}
}

func (s *Store) hasGlance(t *testing.T, mirror int64, g Glance) bool {
	t.Helper()
	v := must(s.Snapshot(context.Background()))
	defer v.Close()
	return must(v.Glances(mirror).Is(g.Dir, g.Sum))
}

func keepGlances(t *testing.T, s *Store, mirror int64, glances ...Glance) {
	t.Helper()
	v := must(s.Snapshot(context.Background()))
	defer v.Close()
	ok(t, s.KeepGlances(v, mirror, glances))
}

func TestAGlanceGoesWhenTheBaseMoves(t *testing.T) {
	s, _ := newSpace(t, calm)
	m := must(s.EnsureMirror("m", "/m"))
	a, b, inner := lookOf("a", 1), lookOf("d/b", 2), lookOf("d/e/f", 3)
	dir := func(path string) BaseEntry {
		return BaseEntry{Path: path, Mode: TypeDir | 0o755, MirrorMode: TypeDir | 0o755, MirrorInode: 9}
	}
	ok(t, s.AdvanceBase(m.ID, []BaseEntry{a, dir("d"), b, dir("d/e"), inner, dir("empty")}, nil))
	root, d, e, empty := glanceOf("", a, dir("d"), dir("empty")), glanceOf("d", b, dir("d/e")), glanceOf("d/e", inner), glanceOf("empty")
	has := func(what string, want ...Glance) {
		t.Helper()
		for _, g := range []Glance{root, d, e, empty} {
			if got := s.hasGlance(t, m.ID, g); got != slices.Contains(want, g) {
				t.Errorf("%s: %q is known: %v", what, g.Dir, got)
			}
		}
		checked(t, s)
	}
	keep := func() { t.Helper(); keepGlances(t, s, m.ID, root, d, e, empty) }
	keep()
	has("as they were kept", root, d, e, empty)
	ok(t, s.AdvanceBase(m.ID, []BaseEntry{b}, nil))
	has("one was set", root, e, empty)
	keep()
	ok(t, s.AdvanceBase(m.ID, nil, []string{"d/e/f"}))
	has("one was removed", root, d, empty)
	ok(t, s.AdvanceBase(m.ID, nil, []string{"empty"}))
	has("a directory was removed", d)
	ok(t, s.AdvanceBase(m.ID, nil, []string{"d/b"}))

	v := must(s.Snapshot(context.Background()))
	defer v.Close()
	ok(t, s.AdvanceBase(m.ID, nil, []string{"d/e"}))
	ok(t, s.KeepGlances(v, m.ID, []Glance{glanceOf("d", dir("d/e"))}))
	has("the base moved before it was kept")
}

func TestCheckFindsAGlanceThatIsNotWhatTheBaseSays(t *testing.T) {
	s, _ := newSpace(t, calm)
	m := must(s.EnsureMirror("m", "/m"))
	a := lookOf("a", 1)
	ok(t, s.AdvanceBase(m.ID, []BaseEntry{a}, nil))
	a.MirrorCtime++
	keepGlances(t, s, m.ID, glanceOf("", a))
	if found := must(s.Check(context.Background())); len(found) != 1 || found[0].Where != "glance" {
		t.Errorf("found %v", found)
	}
	keepGlances(t, s, m.ID, glanceOf("", lookOf("a", 1)))
}

// However one goes through them, Looks shows what is there.
func TestLooksPassOverWhatNobodyAsksFor(t *testing.T) {
	rng := rand.New(rand.NewSource(seed.Of(t)))
	s, _ := newSpace(t, calm)
	m := must(s.EnsureMirror("m", "/m"))
	var set []BaseEntry
	var paths []string
	for i := range 1500 {
		p := fmt.Sprintf("%d/%x", rng.Intn(20), rng.Intn(4000))
		if i%50 == 0 {
			p = fmt.Sprintf("%d%c", rng.Intn(20), rune(' '+rng.Intn(60)))
		}
		if !slices.Contains(paths, p) {
			paths, set = append(paths, p), append(set, lookOf(p, uint64(i)))
		}
	}
	slices.Sort(paths)
	ok(t, s.AdvanceBase(m.ID, set, nil))
	v := must(s.Snapshot(context.Background()))
	defer v.Close()
	for range 300 {
		l, want := must(v.Looks(m.ID, "")), paths
		for steps := 0; len(want) > 0 && steps < 60; steps++ {
			switch at := append(paths, "\xff")[rng.Intn(len(paths)+1)]; rng.Intn(4) {
			case 0:
				l.Pass(at)
				from, _ := slices.BinarySearch(want, at)
				want = want[from:]
			default:
				for range rng.Intn(40) {
					if b := must(l.Before(at)); b == nil || b.Path != want[0] {
						if b != nil || len(want) > 0 && want[0] < at {
							t.Fatalf("before %q: %v, want %q", at, b, want)
						}
						break
					}
					l.Take()
					want = want[1:]
				}
			}
		}
		if b := must(l.Next()); (b == nil) != (len(want) == 0) || b != nil && b.Path != want[0] {
			t.Fatalf("at the end %v, want %q", b, want)
		}
	}
	for _, top := range []string{"7", "7/", "nothing", paths[5]} {
		var got []string
		l := must(v.Looks(m.ID, top))
		for b := must(l.Next()); b != nil; b = must(l.Next()) {
			got = append(got, b.Path)
			l.Take()
		}
		want := slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return p != top && (len(p) <= len(top) || p[:len(top)+1] != top+"/") })
		if !slices.Equal(got, want) {
			t.Errorf("at and below %q: %q, want %q", top, got, want)
		}
	}
}
