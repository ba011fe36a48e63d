package materialize

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"spacefs/spacedb"
)

// asRoot: the test mounts something. Where everything must run, it does.
func asRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 && os.Getenv("SPACEFS_MUST_RUN") == "" {
		t.Skip("SKIPPED: needs root")
	}
}

func TestAFullDestination(t *testing.T) {
	asRoot(t)
	p := newPair(t)
	p.inSpace("small", "small")
	disk := t.TempDir()
	p.ok(unix.Mount("tmpfs", disk, "tmpfs", 0, "size=256k"))
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	out := filepath.Join(disk, "out")
	p.export(out, ExportOptions{})
	before := files(t, out)

	for i := range 10 {
		p.inSpace(fmt.Sprintf("large%d", i), strings.Repeat(fmt.Sprint(i), 100_000))
	}
	p.inSpace("huge", strings.Repeat("huge", 100_000))
	for what, export := range map[string]func() error{
		"a new one": func() error {
			_, err := Export(t.Context(), p.store, filepath.Join(disk, "new"), ExportOptions{})
			return err
		},
		"an incremental one": func() error {
			_, err := Export(t.Context(), p.store, out, ExportOptions{Incremental: true})
			return err
		},
	} {
		if err := export(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", what, err)
		}
		p.sameItems(what, files(t, out), before)
		if names, _ := os.ReadDir(disk); len(names) != 1 {
			t.Errorf("%s left %v", what, names)
		}
	}
	// With room it is finished.
	p.ok(unix.Mount("", disk, "", unix.MS_REMOUNT, "size=16m"))
	p.export(out, ExportOptions{Incremental: true})
	if text, _ := os.ReadFile(filepath.Join(out, "huge")); len(text) != 400_000 {
		t.Errorf("huge has %d bytes", len(text))
	}
}

// What cannot be read is told, and is neither absent nor a document.
func TestAnUnreadableSource(t *testing.T) {
	asRoot(t)
	p := newPair(t)
	p.inMirror("bad", "bad")
	p.inMirror("d/good", "good")
	p.inSpace("bad", "what the space has")
	bad := filepath.Join(p.dir, "bad")
	p.ok(unix.Mount("/proc/self/mem", bad, "", unix.MS_BIND, "")) // reading its beginning is EIO
	t.Cleanup(func() { _ = unix.Unmount(bad, unix.MNT_DETACH) })
	for range 2 {
		r, err := Import(t.Context(), p.store, p.dir, ImportOptions{})
		p.ok(err)
		if len(r.Failed) != 1 || r.Failed[0].Path != "bad" || r.Imported+r.Unchanged != 1 {
			t.Errorf("%+v", r)
		}
	}
	if got := p.read("bad"); got != "what the space has" {
		t.Errorf("bad is %q", got)
	}
	p.ok(unix.Unmount(bad, 0))
	if r := p.bring(p.dir, ImportOptions{}); r.Imported != 1 || p.read("bad") != "bad" {
		t.Errorf("at last: %+v", r)
	}
}

// While the tree is being changed, an export is the tree of one moment.
func TestAnExportIsOfOneMoment(t *testing.T) {
	p := newPair(t)
	for i := range 40 {
		p.inSpace(fmt.Sprintf("here/%d", i), "0")
	}
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		names := []string{"here", "there"}
		for round := 0; ; round++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := p.tree.Rename(spacedb.Root, names[round%2], spacedb.Root, names[1-round%2], 0); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range 5 {
		dir := filepath.Join(t.TempDir(), fmt.Sprint(i))
		p.export(dir, ExportOptions{})
		here, herr := os.ReadDir(filepath.Join(dir, "here"))
		there, terr := os.ReadDir(filepath.Join(dir, "there"))
		if len(here)+len(there) != 40 || errors.Is(herr, fs.ErrNotExist) == errors.Is(terr, fs.ErrNotExist) {
			t.Errorf("%d documents here, %d there", len(here), len(there))
		}
	}
	close(stop)
	writer.Wait()
}
