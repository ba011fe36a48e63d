package daemon_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"spacefs/daemon"
	"spacefs/materialize"
	"spacefs/spacedb"
)

// Who has a command's answer and looks into the mount finds what the command did.
func TestTheMountShowsWhatACommandDidOnceItIsAnswered(t *testing.T) {
	space, mnt := mounted(t)
	ctx, from := context.Background(), t.TempDir()
	text := func(revision int) string { return fmt.Sprint("text ", revision) }
	shows := func(after string, revision int) {
		t.Helper()
		got, err := os.ReadFile(filepath.Join(mnt, "f"))
		if err != nil || string(got) != text(revision) {
			t.Fatalf("after %s: %q is seen, not %q (%v)", after, got, text(revision), err)
		}
	}
	for revision := 1; revision <= 2; revision++ {
		ok(t, os.WriteFile(filepath.Join(from, "f"), []byte(text(revision)), 0o644))
		_, err := space.Import(ctx, daemon.ImportRequest{Dir: from, OnConflict: materialize.Overwrite}, silent, nil)
		ok(t, err)
		shows("an import", revision)
	}
	for i := range 100 {
		revision := i%2 + 1
		_, err := space.Restore(ctx, daemon.RestoreRequest{Path: []byte("f"), Rev: fmt.Sprint(revision)}, silent)
		ok(t, err)
		shows(fmt.Sprintf("restore %d", i), revision)
	}
}

var silent = daemon.NewLines(func(string) {})

// mounted serves a new space, as another process would, until the test ends.
func mounted(t *testing.T) (space *daemon.Space, mnt string) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		if os.Getenv("SPACEFS_MUST_RUN") != "" {
			t.Fatal("this must run, and there is no /dev/fuse")
		}
		t.Skip("SKIPPED: there is no /dev/fuse on this machine")
	}
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	file, mnt := filepath.Join(t.TempDir(), "test.space"), t.TempDir()
	ready, ended := make(chan struct{}), make(chan error, 1)
	ctx, end := context.WithCancel(context.Background())
	go func() {
		_, err := daemon.Mount(ctx, daemon.MountRequest{Space: file, Dir: mnt, Create: true}, silent, func() { close(ready) })
		ended <- err
	}()
	t.Cleanup(func() {
		end()
		ok(t, <-ended)
		store, err := spacedb.Open(file, spacedb.Options{})
		ok(t, err)
		findings, err := store.Check(context.Background())
		ok(t, err)
		for _, f := range findings {
			t.Errorf("check: %s", f)
		}
		ok(t, store.Close())
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		t.FailNow()
	}
	space, err := daemon.Connect(file)
	ok(t, err)
	return space, mnt
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
