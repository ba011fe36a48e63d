package spacedb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"spacefs/internal/seed"
	"strings"
	"testing"
	"time"
)

// clock is a clock that tests move.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time       { return c.at }
func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

func (c *clock) options() Options {
	return Options{Quiet: time.Hour, Delay: time.Hour, Now: c.now}
}

// settle makes everything a revision and durable.
func settle(t *testing.T, s *Store) {
	t.Helper()
	ok(t, s.Seal(context.Background()))
	ok(t, s.Sync())
}

// picture is a tree as text: a line a path.
func picture(t *testing.T, v *Snapshot) map[string]string {
	t.Helper()
	lines := map[string]string{}
	err := v.Walk(context.Background(), "", func(it Item) error {
		line := fmt.Sprintf("%o %s", it.Attr.Mode, it.Target)
		if it.Attr.IsRegular() {
			line += string(must(io.ReadAll(must(v.Open(it.Attr.ID)))))
		}
		if it.Attr.IsRegular() || it.Attr.IsSymlink() {
			line += fmt.Sprintf(" %d %s", it.Attr.Size, it.SHA256) // the same bytes saved again have no time of their own
		}
		if one := must(v.Item(it.Path)); one != it {
			t.Errorf("%s: the walk has %+v, Item has %+v", it.Path, it, one)
		}
		lines[it.Path] = line
		return nil
	})
	ok(t, err)
	ok(t, v.Close())
	return lines
}

func now(t *testing.T, s *Store) map[string]string {
	return picture(t, must(s.Snapshot(context.Background())))
}

func then(t *testing.T, s *Store, m Moment) map[string]string {
	return picture(t, must(s.SnapshotAt(context.Background(), m)))
}

func samePicture(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if got[p] != want[p] {
			t.Errorf("%s: %s is %q instead of %q", what, p, got[p], want[p])
		}
	}
	for p := range got {
		if _, known := want[p]; !known {
			t.Errorf("%s: %s was not there", what, p)
		}
	}
}

func TestTheTreeAsItWas(t *testing.T) {
	c := newClock()
	s, _ := newSpace(t, c.options())
	tr := s.Tree(mount)
	dir := must(tr.Mkdir(Root, "notes", 0o755, Cred{}))
	note := save(t, tr, "notes/a.md", "one")
	save(t, tr, "notes/b.md", "two")
	must(tr.Symlink(Root, "link", "notes/a.md", Cred{}))
	settle(t, s)
	before, at := now(t, s), c.at

	c.pass(time.Hour)
	overwrite(t, tr, note.ID, "one, changed")
	mode := uint32(0o600)
	must(tr.SetAttr(note.ID, AttrChange{Mode: &mode}))
	ok(t, tr.Rename(Root, "notes", Root, "papers", 0))
	ok(t, tr.Unlink(dir.ID, "b.md"))
	ok(t, tr.Unlink(Root, "link"))
	save(t, tr, "papers/c.md", "three")
	settle(t, s)
	samePicture(t, "an hour ago", then(t, s, Moment{Time: at}), before)
	samePicture(t, "now", then(t, s, Moment{Time: c.at}), now(t, s))
	samePicture(t, "when the note was first made", then(t, s, Moment{Path: "papers/a.md", Rev: "1"}), before)

	if _, err := s.SnapshotAt(context.Background(), Moment{Path: "papers/a.md", Rev: "9"}); !errors.Is(err, ErrNoRevision) {
		t.Errorf("a revision that never was: %v", err)
	}
	if _, err := s.SnapshotAt(context.Background(), Moment{Time: at.Add(-time.Minute)}); !errors.Is(err, ErrNoPast) {
		t.Errorf("before the space was made: %v", err)
	}
}

// An editor's dance and a replaced document change the node at a path, not the
// document: the past has what it held.
func TestThePastOfADocumentThatIsReplaced(t *testing.T) {
	c := newClock()
	s, _ := newSpace(t, c.options())
	tr := s.Tree(mount)
	save(t, tr, "n.md", "one")
	settle(t, s)
	first, at := now(t, s), c.at
	c.pass(time.Minute)
	ok(t, tr.Rename(Root, "n.md", Root, "n.md~", 0)) // vim
	save(t, tr, "n.md", "two")
	ok(t, tr.Unlink(Root, "n.md~"))
	settle(t, s)
	second, at2 := now(t, s), c.at
	c.pass(time.Minute)
	save(t, tr, "n.md.tmp", "three")
	ok(t, s.Sync()) // it was on disk under that name
	c.pass(time.Minute)
	ok(t, tr.Rename(Root, "n.md.tmp", Root, "n.md", 0))
	settle(t, s)
	third, at3 := now(t, s), c.at
	c.pass(time.Minute)
	save(t, tr, "other", "four")
	settle(t, s)
	ok(t, tr.Rename(Root, "n.md", Root, "other", RenameExchange))
	settle(t, s)
	samePicture(t, "one", then(t, s, Moment{Time: at}), first)
	samePicture(t, "two", then(t, s, Moment{Time: at2}), second)
	samePicture(t, "three", then(t, s, Moment{Time: at3}), third)
	samePicture(t, "four", then(t, s, Moment{Time: c.at}), now(t, s))
}

// What is linked into place, and was sealed before, changes its document under
// both its names when it takes up the one that waits there.
func TestThePastOfWhatIsLinkedIntoPlace(t *testing.T) {
	for _, old := range []bool{false, true} {
		t.Run(fmt.Sprint("sealed long before ", old), func(t *testing.T) {
			c := newClock()
			s, _ := newSpace(t, c.options())
			tr := s.Tree(mount)
			type state struct {
				at   time.Time
				tree map[string]string
			}
			var states []state
			step := func(do func()) {
				do()
				settle(t, s)
				states = append(states, state{c.at, now(t, s)})
				c.pass(time.Minute)
			}
			var n Attr
			step(func() { save(t, tr, "n.md", "one") })
			step(func() { n = save(t, tr, "n.md.new", "two") })
			if old {
				c.pass(2 * time.Hour)
			}
			step(func() { ok(t, tr.Unlink(Root, "n.md")) })
			step(func() { must(tr.Link(n.ID, Root, "n.md")) })
			step(func() { ok(t, tr.Unlink(Root, "n.md.new")) })
			step(func() { overwrite(t, tr, n.ID, "three") })
			for i, was := range states {
				samePicture(t, fmt.Sprint("after step ", i), then(t, s, Moment{Time: was.at}), was.tree)
			}
		})
	}
}

// The same when its own document is no older than the commit that takes its name.
func TestThePastOfATemporaryThatIsSealedAndUnlinkedInOneCommit(t *testing.T) {
	c := newClock()
	s, _ := newSpace(t, c.options())
	tr := s.Tree(mount)
	save(t, tr, "n.md", "one")
	settle(t, s)
	n := save(t, tr, "n.md.new", "two")
	ok(t, s.Sync())
	at := c.at
	c.pass(2 * time.Hour)
	ok(t, s.Seal(context.Background()))
	ok(t, tr.Unlink(Root, "n.md"))
	must(tr.Link(n.ID, Root, "n.md"))
	ok(t, tr.Unlink(Root, "n.md.new"))
	settle(t, s)
	was := then(t, s, Moment{Time: at})
	if !strings.Contains(was["n.md"], "one") || !strings.Contains(was["n.md.new"], "two") {
		t.Errorf("it was %q", was)
	}
}

// What replaces content that was on disk and not yet in history comes after it
// there too, though it is the older node.
func TestWhatIsReplacedUnsealedIsTheOlderRevision(t *testing.T) {
	c := newClock()
	s, _ := newSpace(t, c.options())
	tr := s.Tree(mount)
	save(t, tr, "backup~", "stays")
	save(t, tr, "n.md", "goes")
	ok(t, s.Sync())
	c.pass(time.Second)
	ok(t, tr.Rename(Root, "backup~", Root, "n.md", 0))
	settle(t, s)
	list := must(s.History("n.md"))
	if len(list) != 2 || !list[0].Current || list[0].Size != 5 || list[1].Path != "n.md" {
		t.Errorf("the history is %+v", list)
	}
	samePicture(t, "now", then(t, s, Moment{Time: c.at}), now(t, s))
}

// The clock stands still: a run is told apart by the order of things.
func TestTheTreeBeforeAndAfterARun(t *testing.T) {
	c := newClock()
	s, _ := newSpace(t, c.options())
	tr := s.Tree(mount)
	a := save(t, tr, "a.md", "by hand")
	ok(t, s.Seal(context.Background()))
	before := now(t, s)
	run := must(s.BeginRun("restore", 0))
	by := s.Tree(Actor{Origin: OriginRestore, Run: run.ID})
	g := by.Stage()
	must(g.Write([]byte("by a run")))
	must(by.Place("a.md", GuardOf(must(by.Resolve("a.md"))), g, 0o644, 1))
	must(by.PlaceDir("d", Guard{Absent: true}, 0o755, 1))
	ok(t, s.FinishRun(run.ID, "ok", "", nil))
	after := now(t, s)
	save(t, tr, "later.md", "by hand again")
	settle(t, s)
	samePicture(t, "before", then(t, s, Moment{Before: run.ID}), before)
	samePicture(t, "after", then(t, s, Moment{After: run.ID}), after)
	if _, err := s.SnapshotAt(context.Background(), Moment{Before: 99}); err == nil {
		t.Error("a run that never was has a past")
	}
	_ = a
}

// Random changes, and the tree looked at as it was after each of them.
func TestEveryStateCanBeSeenAgain(t *testing.T) {
	rnd := rand.New(rand.NewPCG(uint64(seed.Of(t)), 1))
	c := newClock()
	s, path := newSpace(t, c.options())
	type state struct {
		at   time.Time
		tree map[string]string
	}
	var states []state
	names := []string{"a", "b", "c.md", "d~"}
	for step := range 120 {
		tr := s.Tree(mount)
		for range 1 + rnd.IntN(4) {
			randomChange(tr, rnd, names)
		}
		if rnd.IntN(3) == 0 { // so that what follows meets rows of the file
			ok(t, s.Sync())
			randomChange(tr, rnd, names)
		}
		settle(t, s)
		tree := now(t, s)
		for p := range tree {
			if s.Junk(p) {
				delete(tree, p)
			}
		}
		states = append(states, state{c.at, tree})
		c.pass(time.Duration(1+rnd.IntN(3000)) * time.Millisecond)
		if step%40 == 39 {
			s = reopen(t, s, path, c.options())
		}
	}
	for i, want := range states {
		if i+1 < len(states) && states[i+1].at.Sub(want.at) < time.Second {
			continue // of two moments so close, the file keeps the later
		}
		got := then(t, s, Moment{Time: want.at})
		for p := range got {
			if s.Junk(p) {
				delete(got, p)
			}
		}
		samePicture(t, fmt.Sprintf("state %d", i), got, want.tree)
	}
}

// randomChange does something that may well fail.
func randomChange(tr *Tree, rnd *rand.Rand, names []string) {
	dirs := []NodeID{Root}
	for _, name := range names[:2] {
		if a, err := tr.Resolve(name); err == nil && a.IsDir() {
			dirs = append(dirs, a.ID)
		}
	}
	dir := func() NodeID { return dirs[rnd.IntN(len(dirs))] }
	name := func() string { return names[rnd.IntN(len(names))] }
	text := fmt.Sprint("text ", rnd.IntN(1000))
	d := dir()
	switch rnd.IntN(8) {
	case 0:
		_, _ = tr.Mkdir(d, name(), 0o755, Cred{})
	case 1, 2:
		if a, err := tr.Mknod(d, name(), TypeRegular|0o644, 0, Cred{}); err == nil {
			_, _ = tr.WriteAt(a.ID, []byte(text), 0)
		}
	case 3:
		if a, err := tr.Lookup(d, name()); err == nil && a.IsRegular() {
			_, _ = tr.WriteAt(a.ID, []byte(text), 0)
		}
	case 4:
		n := name()
		if tr.Unlink(d, n) != nil {
			_ = tr.Rmdir(d, n)
		}
	case 5:
		_ = tr.Rename(d, name(), dir(), name(), uint32(rnd.IntN(2))*RenameExchange)
	case 6:
		_, _ = tr.Symlink(d, name(), text, Cred{})
	case 7:
		mode := uint32(0o600 + rnd.IntN(2)*0o100)
		if a, err := tr.Lookup(d, name()); err == nil {
			_, _ = tr.SetAttr(a.ID, AttrChange{Mode: &mode})
		}
	}
}

func TestMomentsAreFewAndTheLastIsKept(t *testing.T) {
	var m moments
	rows := map[uint64]int64{}
	base := time.Now().UnixNano()
	for i := range 1000 {
		row := m.next(uint64(i+1), base+int64(i)*int64(10*time.Millisecond))
		delete(rows, row.instead)
		rows[row.seq] = row.time
	}
	if len(rows) > 21 {
		t.Errorf("%d moments in 10 seconds", len(rows))
	}
	if _, kept := rows[1000]; !kept {
		t.Error("the last moment is missing")
	}
	m.next(1001, base) // the clock is set back
	if row := m.next(1002, base+1); row.instead == 1000 {
		t.Error("a moment is lost because the clock was set back")
	}
}

func TestMomentsAsPeopleWriteThem(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	for text, want := range map[string]Moment{
		"2026-02-01":           {Time: time.Date(2026, 2, 2, 0, 0, 0, 0, time.Local)},
		"2026-02-01T10:00":     {Time: time.Date(2026, 2, 1, 10, 0, 0, 0, time.Local)},
		"2026-02-01T10:00:00Z": {Time: time.Date(2026, 2, 1, 10, 0, 0, 0, time.UTC)},
		"90m":                  {Time: at.Add(-90 * time.Minute)},
		"1w2d3h":               {Time: at.Add(-(9*24 + 3) * time.Hour)},
		"run:7":                {After: 7},
		"before:7":             {Before: 7},
		"a@b/c.md@3":           {Path: "a@b/c.md", Rev: "3"},
	} {
		if got, err := ParseMoment(text, at); err != nil || !got.Time.Equal(want.Time) || got.Before != want.Before || got.After != want.After || got.Path != want.Path || got.Rev != want.Rev {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "yesterday", "run:", "run:0", "run:-1", "before:x", "-3d", "3", "d", "3d-2h", "99999999y", "@3", "a@"} {
		if m, err := ParseMoment(text, at); err == nil {
			t.Errorf("%q is taken for %v", text, m)
		}
	}
}

// Among numbers with gaps, and times of which some are the same, the last that
// was by a time is found; where the clock was set back, one that was the last
// when the clock showed it.
func TestTheLastByATimeIsFound(t *testing.T) {
	_, path := newSpace(t, calm)
	c := must(openConn(path, modeRead))
	defer c.close()
	const rows = `WITH rows (number, time) AS (VALUES (3, 10), (4, 20), (9, 20), (100, 30), (101, 25), (5000, 40)) SELECT number, time FROM rows `
	for time, want := range map[int64][]int64{9: {0}, 10: {3}, 19: {3}, 20: {9}, 24: {9}, 27: {9, 101}, 30: {101}, 39: {101}, 40: {5000}, 99: {5000}} {
		number, found, err := c.lastBy(time, rows+`WHERE number >= ? ORDER BY number LIMIT 1`, rows+`ORDER BY number DESC LIMIT 1`)
		ok(t, err)
		if !slices.Contains(want, number) || found != (number > 0) {
			t.Errorf("by %d: %d, %v, want %v", time, number, found, want)
		}
	}
	if _, found, err := c.lastBy(5, rows+`WHERE number > 1e9 AND number >= ? LIMIT 1`, rows+`WHERE number > 1e9`); found || err != nil {
		t.Error(found, err)
	}
}
