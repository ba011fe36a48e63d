package materialize

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spacefs/spacedb"
)

// inTime is a space with a clock that the test moves.
type inTime struct {
	*pair
	at time.Time
}

func newInTime(t *testing.T) *inTime {
	p := &inTime{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	store, err := spacedb.Create(filepath.Join(t.TempDir(), "test.space"), spacedb.Options{
		Quiet: time.Hour, Delay: time.Hour, Now: func() time.Time { return p.at },
	})
	if err != nil {
		t.Fatal(err)
	}
	p.pair = &pair{t, store, store.Tree(spacedb.Actor{Origin: spacedb.OriginMount}), ""}
	t.Cleanup(func() {
		findings, err := store.Check(context.Background())
		for _, f := range findings {
			t.Errorf("check: %s", f)
		}
		if err != nil {
			t.Error(err)
		}
		p.ok(store.Close())
	})
	return p
}

func (p *inTime) pass(d time.Duration) {
	p.Helper()
	p.ok(p.store.Seal(context.Background()))
	p.ok(p.store.Sync())
	p.at = p.at.Add(d)
}

// tree is the space as text: a line a path, without times.
func (p *inTime) picture() string {
	p.Helper()
	v, err := p.store.Snapshot(context.Background())
	p.ok(err)
	defer v.Close()
	var b strings.Builder
	p.ok(v.Walk(context.Background(), "", func(it spacedb.Item) error {
		text := it.Target
		if it.Attr.IsRegular() {
			r, err := v.Open(it.Attr.ID)
			p.ok(err)
			content, err := io.ReadAll(r)
			p.ok(err)
			text = string(content)
		}
		fmt.Fprintf(&b, "%s %o %s\n", it.Path, it.Attr.Mode, text)
		return nil
	}))
	return b.String()
}

func (p *inTime) restore(o RestoreOptions) RestoreResult {
	p.Helper()
	r, err := Restore(context.Background(), p.store, o)
	p.ok(err)
	return r
}

func (p *inTime) plant() {
	p.inSpace("notes/a.md", "alpha")
	p.inSpace("notes/deep/er/b.md", "beta")
	p.inSpace("notes/empty", "/")
	p.inSpace("notes/link", "@a.md")
	p.inSpace("other.md", "other")
}

func TestATreeDeletedAnHourAgoComesBack(t *testing.T) {
	p := newInTime(t)
	p.plant()
	p.pass(time.Hour)
	p.inSpace("notes/a.md", "alpha, edited")
	p.pass(time.Hour)
	want := p.picture()
	first, _ := p.store.History("notes/a.md")
	for _, leaf := range []string{"notes/a.md", "notes/deep/er/b.md", "notes/deep/er", "notes/deep", "notes/link", "notes/empty"} {
		p.inSpace(leaf, "")
		p.pass(time.Second) // as rm -r does it, slowly
	}
	p.inSpace("notes", "")
	p.pass(time.Hour)

	r := p.restore(RestoreOptions{Path: "notes", DryRun: true})
	if len(r.Restored) != 7 || r.Run != 0 || strings.Contains(p.picture(), "notes") {
		t.Errorf("a dry run: %+v", r)
	}
	r = p.restore(RestoreOptions{Path: "notes"})
	if got := p.picture(); got != want || len(r.Restored) != 7 || len(r.Failed) != 0 {
		t.Errorf("restored %+v:\n%s\ninstead of\n%s", r, got, want)
	}
	again, err := p.store.History("notes/a.md")
	p.ok(err)
	if len(again) != len(first) || again[0].Document != first[0].Document {
		t.Errorf("the document has another history: %+v", again)
	}
}

func TestATreeAsItWasAtATime(t *testing.T) {
	p := newInTime(t)
	p.plant()
	p.pass(time.Minute)
	at := p.at
	p.pass(time.Hour)
	p.inSpace("notes/a.md", "spoilt")
	p.inSpace("notes/deep/er/b.md", "")
	p.inSpace("notes/new.md", "new")
	p.pass(time.Hour)
	r := p.restore(RestoreOptions{Path: "notes", At: spacedb.Moment{Time: at}})
	if len(r.Restored) != 2 || len(r.Failed) != 0 {
		t.Errorf("%+v", r)
	}
	got := p.picture()
	for _, line := range []string{"notes/a.md 100644 alpha\n", "notes/deep/er/b.md 100644 beta\n", "notes/new.md 100644 new\n"} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is missing:\n%s", line, got)
		}
	}
	if log, _ := p.store.History("notes/a.md"); len(log) != 3 || log[0].Origin != spacedb.OriginRestore || log[0].Run != r.Run {
		t.Errorf("what was overwritten is not in the history: %+v", log)
	}
	if again := p.restore(RestoreOptions{Path: "notes", At: spacedb.Moment{Time: at}}); len(again.Restored) != 0 || again.Run != 0 {
		t.Errorf("restored twice: %+v", again)
	}
	copied := p.restore(RestoreOptions{Path: "notes", At: spacedb.Moment{Time: at}, To: "old/notes"})
	if len(copied.Restored) != 7 || len(copied.Failed) != 0 || !strings.Contains(p.picture(), "old/notes/deep/er/b.md 100644 beta\n") {
		t.Errorf("to another place: %+v\n%s", copied, p.picture())
	}
}

func TestWhatARunTookComesBack(t *testing.T) {
	p := newInTime(t)
	p.plant()
	p.pass(time.Hour)
	want := p.picture()
	run, err := p.store.BeginRun("sync", 0)
	p.ok(err)
	by := p.tree
	p.tree = p.store.Tree(spacedb.Actor{Origin: spacedb.OriginSync, Run: run.ID})
	p.inSpace("notes/a.md", "replaced")
	p.inSpace("notes/deep", "")
	perm := uint32(0o600)
	_, err = p.tree.ChangeAt("other.md", spacedb.Guard{}, spacedb.AttrChange{Mode: &perm})
	p.ok(err)
	p.ok(p.store.FinishRun(run.ID, "ok", "", nil))
	p.tree = by
	p.pass(time.Hour)
	r := p.restore(RestoreOptions{Run: run.ID})
	if got := p.picture(); got != want || len(r.Failed) != 0 || len(r.Restored) != 5 {
		t.Errorf("restored %+v:\n%s\ninstead of\n%s", r, got, want)
	}
}

func TestARestoreReportsWhatItCannotDo(t *testing.T) {
	p := newInTime(t)
	p.plant()
	p.pass(time.Minute)
	at := p.at
	p.pass(time.Minute)
	p.inSpace("notes/deep", "now a document")
	p.inSpace("notes/a.md", "/")
	p.pass(time.Minute)
	before := p.picture()
	r := p.restore(RestoreOptions{Path: "notes", At: spacedb.Moment{Time: at}})
	if len(r.Failed) != 2 || len(r.Restored) != 0 || p.picture() != before {
		t.Errorf("%+v\n%s", r, p.picture())
	}
	for _, o := range []RestoreOptions{
		{Path: "never"}, {Path: "other.md"}, {Path: "other.md", Rev: "9"}, {Run: 77},
		{Path: "notes", At: spacedb.Moment{Time: at.Add(-time.Hour)}},
	} {
		if r, err := Restore(context.Background(), p.store, o); err == nil {
			t.Errorf("%+v restored %+v", o, r)
		}
	}
}
