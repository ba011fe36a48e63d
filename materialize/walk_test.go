package materialize

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"spacefs/internal/seed"
	"testing"
)

// The comparison with the base stands on this order.
func TestAWalkIsInByteOrderOfPaths(t *testing.T) {
	rng := rand.New(rand.NewSource(seed.Of(t)))
	dir := t.TempDir()
	names := []string{"a", "a-", "a-b", "a.b", "a0", "ab", "a!", "\xff", " ", "A"}
	want := []string{}
	for range 400 {
		p := ""
		for range 1 + rng.Intn(4) {
			p = join(p, names[rng.Intn(len(names))])
		}
		if os.MkdirAll(filepath.Join(dir, filepath.Dir(p)), 0o755) != nil {
			continue // a file is in the way
		}
		_ = os.WriteFile(filepath.Join(dir, p), nil, 0o644)
	}
	err := filepath.WalkDir(dir, func(at string, _ os.DirEntry, err error) error {
		if p, _ := filepath.Rel(dir, at); p != "." {
			want = append(want, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if got := walked(t, dir, ""); !slices.Equal(got, want) {
		t.Errorf("walked\n%q\nwant\n%q", got, want)
	}
	below := slices.DeleteFunc(slices.Clone(want), func(p string) bool { return p != "a" && (len(p) < 2 || p[:2] != "a/") })
	if got := walked(t, dir, "a"); !slices.Equal(got, below) {
		t.Errorf("walked from a\n%q\nwant\n%q", got, below)
	}
}

func walked(t *testing.T, dir, top string) (paths []string) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	w := startWalk(context.Background(), root, top, walkHooks{skip: func(string, listed) bool { return false }})
	defer w.end()
	everyFound(t, w, func(f found) {
		if f.err != nil {
			t.Errorf("%s: %v", f.path, f.err)
		}
		info, err := root.Lstat(f.path)
		if err != nil || stampOf(info) != f.stat {
			t.Errorf("%s: %+v, %v, want %+v", f.path, f.stat, err, stampOf(info))
		}
		paths = append(paths, f.path)
	})
	return paths
}

// everyFound goes through a walk to its end.
func everyFound(t *testing.T, w *walk, fn func(found)) {
	t.Helper()
	for it := w.next(); it != nil; it = w.next() {
		if err := it.each(func(f found) error { fn(f); return nil }); err != nil {
			t.Fatal(err)
		}
		w.pass()
	}
}

// A walk that is given up leaves nothing running and nothing open.
func TestAWalkEndsEarly(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 * walkBatch {
		if err := os.Mkdir(filepath.Join(dir, fmt.Sprint(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for range 20 {
		w := startWalk(context.Background(), root, "", walkHooks{skip: func(string, listed) bool { return false }})
		w.next()
		w.end()
		if _, more := <-w.out; more {
			t.Fatal("it goes on")
		}
	}
}
