package materialize

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// noDirectory cannot make the second directory.
type noDirectory struct {
	disk
	made *int
}

func (d noDirectory) mkdir(path string, perm uint32) error {
	if *d.made++; *d.made == 2 {
		return syscall.EIO
	}
	return d.disk.mkdir(path, perm)
}

// What is read ahead comes to where it belongs, also when what was read for a
// directory before is not needed, and beside what is too large to be read ahead.
func TestContentsThatAreReadAheadAreNotMixedUp(t *testing.T) {
	p := newPair(t)
	for _, dir := range []string{"a", "b", "c"} {
		for i := range 4 * parcelFiles {
			name := fmt.Sprintf("%s/%03d", dir, i)
			p.inSpace(name, "text of "+name)
		}
	}
	p.inSpace("a/010 large", strings.Repeat("large", aheadLimit/4))
	made := 0
	r, err := Sync(t.Context(), p.store, p.dir, SyncOptions{wrap: func(d disk) disk { return noDirectory{d, &made} }})
	p.ok(err)
	if len(r.Failed) != 1 || r.Failed[0].Path != "b" {
		t.Errorf("failed: %v", r.Failed)
	}
	for _, name := range []string{"a/127", "c/000", "c/127"} {
		if text, err := os.ReadFile(filepath.Join(p.dir, name)); string(text) != "text of "+name {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	p.sync(SyncOptions{})
	p.agree()
	p.quiet("after the next sync")
}
