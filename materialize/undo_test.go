package materialize

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"spacefs/conflict"
	"spacefs/internal/seed"
	"spacefs/spacedb"
)

func (p *pair) undo(run int64) UndoResult {
	p.Helper()
	r, err := Undo(context.Background(), p.store, run, UndoOptions{})
	p.ok(err)
	return r
}

// sides are both trees, to be compared.
func (p *pair) sides() string {
	p.Helper()
	return "space:\n" + p.spaceTree() + "\nmirror:\n" + p.mirrorTree()
}

func (p *pair) quiet(what string) {
	p.Helper()
	if r := p.sync(SyncOptions{}); len(r.Plan.Actions) > 0 || len(r.Plan.Conflicts) > 0 {
		p.Errorf("%s, a sync does %+v, conflicts %+v", what, r.Plan.Actions, r.Plan.Conflicts)
	}
}

// seeded is a source of randomness that can be replayed, and how many rounds to
// go: many when a person asks for it.
func seeded(t *testing.T, rounds int) (*rand.Rand, int) {
	t.Helper()
	if s := os.Getenv("SPACEFS_UNDO_ROUNDS"); s != "" {
		rounds, _ = strconv.Atoi(s)
	}
	return rand.New(rand.NewSource(seed.Of(t))), rounds
}

// shake changes both sides at random.
func (p *pair) shake(r *rand.Rand, changes int, name string) {
	p.Helper()
	paths := []string{"a", "b", "c", "d", "d/a", "d/b", "d/e", "d/e/a", "d/e/b", "x/y", "x", "x/z"}
	for i := range changes {
		path, space := paths[r.Intn(len(paths))], r.Intn(2) == 0
		text := fmt.Sprintf("text %s.%d", name, i)
		switch r.Intn(10) {
		case 8, 9:
			p.mv(space, path, paths[r.Intn(len(paths))])
			continue
		case 0, 1:
			text = ""
		case 2:
			text = "/"
		case 3:
			text = "@" + text
		case 4:
			p.chmod(space, path, []uint32{0o600, 0o644, 0o755, 0o700}[r.Intn(4)])
			continue
		}
		p.change(space, path, text)
	}
}

// chmod changes the mode of what is at path, unless that has none.
func (p *pair) chmod(space bool, path string, mode uint32) {
	p.Helper()
	if space {
		if a, err := p.tree.Resolve(path); err == nil && !a.IsSymlink() {
			_, err := p.tree.SetAttr(a.ID, spacedb.AttrChange{Mode: &mode})
			p.ok(err)
		}
		return
	}
	at := filepath.Join(p.dir, path)
	if info, err := os.Lstat(at); err == nil && info.Mode()&os.ModeSymlink == 0 {
		if info.IsDir() {
			mode |= 0o700
		}
		p.ok(os.Chmod(at, os.FileMode(mode)))
	}
}

// TestUndoRestoresBothSides: whatever a sync did, undo makes both sides what
// they were, a sync then leaves them so, and undoing the undo brings back what
// the sync had made.
func TestUndoRestoresBothSides(t *testing.T) {
	r, rounds := seeded(t, 8)
	for round := range rounds {
		p := newPair(t)
		for step := range 4 {
			p.shake(r, 8, fmt.Sprintf("%d.%d", round, step))
			before := p.sides()
			run := p.sync(SyncOptions{Rules: conflict.Rules{Strategies: []conflict.Strategy{conflict.Merge, conflict.Strategy(1 + r.Intn(4))}}})
			if run.Run == 0 {
				continue
			}
			after := p.sides()
			undone := p.undo(run.Run)
			if len(undone.Failed) > 0 {
				t.Errorf("left: %v", undone.Failed)
			}
			if now := p.sides(); now != before {
				t.Errorf("after undo\n%s\nbefore the sync\n%s\nthe sync did %+v", now, before, run.Plan.Actions)
			}
			p.quiet("after undo")
			if now := p.sides(); now != before {
				t.Errorf("a sync after undo made it\n%s\ninstead of\n%s", now, before)
			}
			if undone.Run != 0 {
				again := p.undo(undone.Run)
				if now := p.sides(); now != after || len(again.Failed) > 0 {
					t.Errorf("after undoing the undo\n%s\nafter the sync\n%s\nleft: %v", now, after, again.Failed)
				}
				p.quiet("after undoing the undo")
			}
			if t.Failed() {
				t.Fatalf("round %d, step %d", round, step)
			}
		}
	}
}

func TestUndoLeavesWhatChangedSince(t *testing.T) {
	p := newPair(t)
	for _, name := range []string{"a", "b", "c"} {
		p.inSpace(name, "base")
	}
	p.sync(SyncOptions{})
	for _, name := range []string{"a", "b", "c"} {
		p.inMirror(name, "edited")
	}
	run := p.sync(SyncOptions{}).Run
	p.inSpace("a", "again, in the space")
	p.inMirror("b", "again, in the mirror")
	r := p.undo(run)
	if r.Done != 1 || len(r.Failed) != 2 || r.Failed[0].Path != "a" || !strings.Contains(r.Failed[0].Cause, "changed in the space since") ||
		r.Failed[1].Path != "b" || !strings.Contains(r.Failed[1].Cause, "changed in the mirror since") {
		t.Errorf("%+v", r)
	}
	if want := "a=again, in the space 644\nb=edited 644\nc=base 644"; p.spaceTree() != want {
		t.Errorf("the space is\n%s", p.spaceTree())
	}
	if want := "a=edited 644\nb=again, in the mirror 644\nc=edited 644"; p.mirrorTree() != want {
		t.Errorf("the mirror is\n%s", p.mirrorTree())
	}
	p.sync(SyncOptions{})
	if want := "a=again, in the space 644\nb=again, in the mirror 644\nc=base 644"; p.spaceTree() != want {
		t.Errorf("after a sync, the space is\n%s", p.spaceTree())
	}
}

func TestWhatIsApartIsSyncedAgainWhenASideChanges(t *testing.T) {
	p := newPair(t)
	p.inSpace("d/a", "base")
	p.sync(SyncOptions{})
	p.inMirror("d/a", "edited")
	p.inMirror("new/b", "new")
	p.undo(p.sync(SyncOptions{}).Run)
	if want := "d/ 755\nd/a=base 644"; p.spaceTree() != want {
		t.Fatalf("the space is\n%s", p.spaceTree())
	}
	p.quiet("after undo")
	// Its directory is made for it, and what is apart beside it stays so.
	p.inMirror("new/c", "newer")
	p.sync(SyncOptions{})
	if want := "d/ 755\nd/a=base 644\nnew/ 755\nnew/c=newer 644"; p.spaceTree() != want {
		t.Errorf("the space is\n%s", p.spaceTree())
	}
	p.inMirror("d/a", "edited again")
	p.inMirror("new/b", "new again")
	r := p.sync(SyncOptions{})
	p.agree()
	if len(r.Plan.Conflicts) > 0 {
		t.Errorf("conflicts %+v", r.Plan.Conflicts)
	}
}

func TestAnUndoThatIsKilledIsNotTakenForDeletions(t *testing.T) {
	for _, killed := range []string{"before anything", "in the middle"} {
		t.Run(killed, func(t *testing.T) {
			p := newPair(t)
			for i := range 4 {
				p.inSpace(fmt.Sprint("f", i), "text")
			}
			run := p.sync(SyncOptions{}).Run
			space := p.spaceTree()
			ctx, cancel := context.WithCancel(context.Background())
			stop := func(d disk) disk {
				return &cancelling{disk: d, cancel: cancel, after: map[string]int{"before anything": 0, "in the middle": 2}[killed]}
			}
			_, err := Undo(ctx, p.store, run, UndoOptions{wrap: stop})
			if err == nil {
				t.Fatal("it was not interrupted")
			}
			p.sync(SyncOptions{})
			if p.spaceTree() != space {
				t.Errorf("the space is\n%s", p.spaceTree())
			}
		})
	}
}

// cancelling ends the run after so many removals.
type cancelling struct {
	disk
	cancel context.CancelFunc
	after  int
}

func (c *cancelling) remove(path string) error {
	if c.after--; c.after <= 0 {
		c.cancel()
	}
	return c.disk.remove(path)
}

func TestAnImportCanBeUndone(t *testing.T) {
	p := newPair(t)
	p.inSpace("d/a", "before")
	p.inSpace("link", "@old")
	before := p.spaceTree()
	p.inMirror("d/a", "imported")
	p.inMirror("d/new", "imported too")
	p.inMirror("e/f", "in a new directory")
	p.inMirror("link", "@new")
	r, err := Import(t.Context(), p.store, p.dir, ImportOptions{})
	p.ok(err)
	after := p.spaceTree()
	undone := p.undo(r.Run)
	if p.spaceTree() != before || len(undone.Failed) > 0 {
		t.Errorf("the space is\n%s\nleft: %v", p.spaceTree(), undone.Failed)
	}
	if p.undo(undone.Run); p.spaceTree() != after {
		t.Errorf("after undoing the undo the space is\n%s", p.spaceTree())
	}
}

func TestUndoOfWhatIsNoRun(t *testing.T) {
	p := newPair(t)
	if _, err := Undo(t.Context(), p.store, 7, UndoOptions{}); err == nil || err.Error() != "run 7: no such run" {
		t.Errorf("got %v", err)
	}
}

func TestARestoreCanBeUndone(t *testing.T) {
	p := newPair(t)
	p.inSpace("d/a", "first")
	p.inSpace("d/e/b", "gone soon")
	p.inSpace("link", "@old")
	p.ok(p.store.Seal(t.Context()))
	then := p.sync(SyncOptions{}).Run
	p.inSpace("d/a", "second")
	p.inSpace("d/e", "")
	p.inSpace("link", "@new")
	p.ok(p.store.Seal(t.Context()))
	before := p.spaceTree()
	r, err := Restore(t.Context(), p.store, RestoreOptions{At: spacedb.Moment{After: then}})
	p.ok(err)
	after := p.spaceTree()
	if after == before || len(r.Failed) > 0 {
		t.Fatalf("nothing was restored: %+v\n%s", r, after)
	}
	undone := p.undo(r.Run)
	if p.spaceTree() != before || len(undone.Failed) > 0 {
		t.Errorf("the space is\n%s\nleft: %v", p.spaceTree(), undone.Failed)
	}
	if p.undo(undone.Run); p.spaceTree() != after {
		t.Errorf("after undoing the undo the space is\n%s", p.spaceTree())
	}
}

func TestAnExportCannotBeUndone(t *testing.T) {
	p := newPair(t)
	p.inSpace("a", "text")
	_, err := Export(t.Context(), p.store, filepath.Join(t.TempDir(), "out"), ExportOptions{})
	p.ok(err)
	if _, err := Undo(t.Context(), p.store, 1, UndoOptions{}); err == nil || !strings.Contains(err.Error(), "is an export") {
		t.Errorf("got %v", err)
	}
}
