package fusefs_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"syscall"
	"testing"
	"time"

	"spacefs/spacedb"
)

// TestDifferential does the same random operations on the mount and on a plain
// directory and compares what every call says, and the trees.
func TestDifferential(t *testing.T) {
	seed := seedOf(t)
	m := mount(t, spacedb.Options{Quiet: 10 * time.Millisecond, Delay: 5 * time.Millisecond, Nodes: 20})
	plain := t.TempDir()
	r := newActions(seed)
	for i := range 3000 {
		a := r.next()
		got, want := a.do(m.dir), a.do(plain)
		if got != want {
			t.Fatalf("seed %d, step %d: %s: mount says %s, a plain directory %s", seed, i, a, got, want)
		}
		if i%500 == 499 {
			if g, w := list(t, m.dir), list(t, plain); g != w {
				t.Fatalf("seed %d, after step %d (%s) the trees differ:\n%s\n--- plain\n%s", seed, i, a, g, w)
			}
		}
	}
}

func list(t *testing.T, root string) string {
	var lines []string
	err := filepath.Walk(root, func(p string, info os.FileInfo, err error) error {
		if err != nil || p == root {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		line := fmt.Sprintf("%s %v", rel, info.Mode())
		switch {
		case info.Mode().IsRegular():
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d %x n%d", len(b), fnvSum(b), info.Sys().(*syscall.Stat_t).Nlink)
		case info.Mode()&os.ModeSymlink != 0:
			target, _ := os.Readlink(p)
			line += " -> " + target
		case info.IsDir():
			line += fmt.Sprintf(" n%d", info.Sys().(*syscall.Stat_t).Nlink)
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(lines)
	var b bytes.Buffer
	for _, l := range lines {
		fmt.Fprintln(&b, l)
	}
	return b.String()
}
