package daemon_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"spacefs/daemon"
	"spacefs/spacedb"
)

var silent = daemon.NewLines(func(string) {})

// places are where a space is to be and where it is to be mounted. What is there in
// the end is checked.
func places(t *testing.T) (file, mnt string) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		if os.Getenv("SPACEFS_MUST_RUN") != "" {
			t.Fatal("this must run, and there is no /dev/fuse")
		}
		t.Skip("SKIPPED: there is no /dev/fuse on this machine")
	}
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	file, mnt = filepath.Join(t.TempDir(), "test.space"), t.TempDir()
	t.Cleanup(func() {
		store, err := spacedb.Open(file, spacedb.Options{})
		ok(t, err)
		findings, err := store.Check(context.Background())
		ok(t, err)
		for _, f := range findings {
			t.Errorf("check: %s", f)
		}
		ok(t, store.Close())
	})
	return file, mnt
}

// serve mounts a space, as another process would, until the test ends; ended is
// closed when nothing is left of that.
func serve(t *testing.T, file, mnt string) (space *daemon.Space, ended chan struct{}) {
	t.Helper()
	ready, ended := make(chan struct{}), make(chan struct{})
	ctx, end := context.WithCancel(context.Background())
	var failed error
	go func() {
		defer close(ended)
		_, failed = daemon.Mount(ctx, daemon.MountRequest{Space: file, Dir: mnt, Create: true}, silent, func() { close(ready) })
	}()
	t.Cleanup(func() {
		end()
		<-ended
		ok(t, failed)
	})
	select {
	case <-ready:
	case <-ended:
		t.FailNow()
	}
	space, err := daemon.Connect(file)
	ok(t, err)
	return space, ended
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
