package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// A live mirror does not do again at once what was just taken back; what else
// happens goes on being synced.
func TestUndoIsLeftAloneByALiveMirror(t *testing.T) {
	needFUSE(t)
	b := newBench(t)
	b.sh("mkdir notes && echo first > notes/a.md")
	b.mount("--create", "--mirror", "notes", "docs.space")
	b.appears(b.path("mnt/a.md"), "first\n")
	b.sh("echo a mistake > a.new && mv a.new notes/a.md") // at once: undone is what one sync brought
	b.appears(b.path("mnt/a.md"), "a mistake\n")
	run := b.lastRun("docs.space")
	if r := b.run("undo", "docs.space", fmt.Sprint(run)); r.code != 0 {
		t.Fatalf("undo: %s", r)
	}
	b.appears(b.path("mnt/a.md"), "first\n")
	for i := range 3 {
		text := fmt.Sprintln("other work", i)
		b.ok(os.WriteFile(b.path("notes/b.md"), []byte(text), 0o644))
		b.appears(b.path("mnt/b.md"), text) // so a sync has been
	}
	for name, want := range map[string]string{"mnt/a.md": "first\n", "notes/a.md": "a mistake\n"} {
		if text, err := os.ReadFile(b.path(name)); err != nil || string(text) != want {
			t.Errorf("%s is %q (%v), want %q", name, text, err, want)
		}
	}
	if text := b.done("explain", "docs.space", "a.md"); !strings.Contains(text, "leaves it alone (apart since run") {
		t.Errorf("explain says\n%s", text)
	}
	b.ok(os.WriteFile(b.path("notes/a.md"), []byte("better\n"), 0o644))
	b.appears(b.path("mnt/a.md"), "better\n")
	b.unmount()
	b.agree("docs.space", "notes")
	b.sound("docs.space")
}

// lastRun is the number of the last sync that did something.
func (b *bench) lastRun(space string) int64 {
	b.Helper()
	var runs []struct {
		ID   int64
		Kind string
	}
	b.ok(json.Unmarshal([]byte(b.done("runs", "--json", space)), &runs))
	for _, r := range runs {
		if r.Kind == "sync" {
			return r.ID
		}
	}
	b.Fatal("no run")
	return 0
}
