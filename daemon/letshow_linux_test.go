package daemon_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"spacefs/daemon"
	"spacefs/materialize"
)

// Who has a command's answer and looks into the mount finds what the command did.
func TestTheMountShowsWhatACommandDidOnceItIsAnswered(t *testing.T) {
	file, mnt := places(t)
	space, _ := serve(t, file, mnt)
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
