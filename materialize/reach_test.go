package materialize

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestAReachFollowsNoSymlinkAndForgetsWhatWasMoved(t *testing.T) {
	dir := t.TempDir()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"in/a/b", "in/ab", "out"} {
		ok(os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	ok(os.WriteFile(filepath.Join(dir, "in/a/b/file"), nil, 0o600))
	ok(os.WriteFile(filepath.Join(dir, "out/file"), nil, 0o600))
	ok(os.Symlink("../out", filepath.Join(dir, "in/link")))
	root, err := os.OpenRoot(filepath.Join(dir, "in"))
	ok(err)
	defer root.Close()
	r := &reach{root: root}
	defer r.letGo()
	for _, p := range []string{"a/b/file", "ab", "a/b/file", "a/b", "a"} {
		if _, err := r.look(p); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	if _, err := r.look("link/file"); err == nil {
		t.Error("it went through a symlink")
	}
	_, err = r.look("a/b/file")
	ok(err)
	ok(os.Rename(filepath.Join(dir, "in/a"), filepath.Join(dir, "out/a")))
	r.letGo()
	if _, err := r.look("a/b/file"); !isGone(err) {
		t.Errorf("what was moved away: %v", err)
	}
}

func TestAWalkWithScoutsIsInOrderAndLeavesNothingOpen(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	want := 0
	for i := range 3 * scoutAhead {
		for j := range 2 * scoutAhead {
			if err := root.MkdirAll(fmt.Sprintf("d%02d/e%02d", i, j), 0o755); err != nil {
				t.Fatal(err)
			}
			if j == 0 {
				want++ // d
			}
			want++ // e
		}
	}
	before := openFiles(t)
	hooks := walkHooks{skip: func(string, listed) bool { return false }}
	w := startWalk(t.Context(), root, "", hooks)
	last, seen := "", 0
	everyFound(t, w, func(f found) {
		if f.err != nil || f.path <= last {
			t.Errorf("%q after %q (%v)", f.path, last, f.err)
		}
		last = f.path
		seen++
	})
	w.end()
	if seen != want {
		t.Errorf("%d entries, not %d", seen, want)
	}
	w = startWalk(t.Context(), root, "", hooks) // ended before its end
	w.next()
	w.end()
	if now := openFiles(t); now != before {
		t.Errorf("%d files are open, %d were before", now, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(list)
}

// A write that the disk refused while files were still made is not forgotten.
func TestWritebackTellsOfAnEarlierFailure(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	w := &writeback{root: root, early: make(chan error, 1)}
	defer w.close()
	w.early <- syscall.EIO
	w.wrote(1)
	if err := w.sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("it says %v", err)
	}
	if err := w.sync(); err != nil {
		t.Errorf("and again, with nothing written since: %v", err)
	}
}
