package materialize

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spacefs/conflict"
)

// forget gives the mirror an identity that the space does not know, as after a
// restore from an old backup.
func (p *pair) forget() {
	p.Helper()
	marker := filepath.Join(p.dir, markerPath)
	text, err := os.ReadFile(marker)
	p.ok(err)
	mirrors, err := p.store.Mirrors()
	p.ok(err)
	known := mirrors[len(mirrors)-1].UUID
	p.ok(os.WriteFile(marker, []byte(strings.ReplaceAll(string(text), known, known[:30]+"abcdef")), 0o600))
}

func TestALostBaseHealsFromHistory(t *testing.T) {
	p := newPair(t)
	for _, name := range []string{"stale", "same", "edited", "deleted in the space"} {
		p.inSpace(name, "first of "+name)
	}
	p.sync(SyncOptions{})
	p.inSpace("stale", "second of stale")
	p.inSpace("edited", "second of edited")
	p.inSpace("deleted in the space", "")
	p.inMirror("edited", "somebody's")
	p.inMirror("new", "in the mirror")
	p.forget()
	r := p.sync(SyncOptions{Rules: conflict.Rules{Strategies: []conflict.Strategy{conflict.Manual}}})
	if len(r.Plan.Conflicts) != 1 || r.Plan.Conflicts[0].Path != "edited" {
		t.Errorf("conflicts %+v", r.Plan.Conflicts)
	}
	for _, want := range []string{"stale=second of stale 644", "same=first of same 644", "new=in the mirror 644", "deleted in the space=first of deleted in the space 644"} {
		if !strings.Contains(p.mirrorTree(), want) || !strings.Contains(p.spaceTree(), want) {
			t.Errorf("no %q in\n%s\nor in\n%s", want, p.mirrorTree(), p.spaceTree())
		}
	}
}

// git clean -dfx, or whoever sweeps, takes the marker away, and nothing else of
// what was agreed on.
func TestAMirrorThatLostItsMarkerIsKnownByItsFiles(t *testing.T) {
	p := newPair(t)
	for _, name := range []string{"a", "b", "c", "d", "gone"} {
		p.inSpace(name, name)
	}
	p.sync(SyncOptions{})
	p.ok(os.RemoveAll(filepath.Join(p.dir, stateDir)))
	p.inMirror("a", "edited")
	p.ok(os.Remove(filepath.Join(p.dir, "gone")))
	p.sync(SyncOptions{})
	p.agree()
	if tree := p.spaceTree(); !strings.Contains(tree, "a=edited") || strings.Contains(tree, "gone") {
		t.Errorf("the space holds\n%s", tree)
	}
	if known, err := p.store.Mirrors(); err != nil || len(known) != 1 {
		t.Errorf("mirrors: %+v, %v", known, err)
	}
	p.quiet("known again")
}

// Without a marker it is a first sync: then an old content is as good as another.
func TestAFirstSyncTakesNothingForStale(t *testing.T) {
	p := newPair(t)
	p.inSpace("f", "first")
	p.inSpace("f", "second")
	p.inMirror("f", "first")
	r := p.sync(SyncOptions{Rules: conflict.Rules{Strategies: []conflict.Strategy{conflict.Manual}}})
	if len(r.Unresolved) != 1 {
		t.Errorf("unresolved: %+v", r.Unresolved)
	}
}
