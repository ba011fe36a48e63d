package materialize

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"spacefs/conflict"
	"spacefs/internal/attributes"
	"spacefs/internal/seed"
	"spacefs/spacedb"
)

func withMetadata(strategies ...conflict.Strategy) SyncOptions {
	on := true
	return SyncOptions{Metadata: &on, Rules: conflict.Rules{Strategies: strategies}}
}

// attribute sets one on what is at a path of a side, if there is something that
// can have it; "" removes it, "-" stands for the empty value.
func (p *pair) attribute(space bool, path, name, value string) {
	p.Helper()
	text := []byte(strings.TrimPrefix(value, "-"))
	var err error
	if space {
		a, resolved := p.tree.Resolve(path)
		switch {
		case resolved != nil || a.IsSymlink():
			return
		case value == "":
			err = p.tree.RemoveXattr(a.ID, name)
		default:
			err = p.tree.SetXattr(a.ID, name, text, 0)
		}
	} else {
		at := filepath.Join(p.dir, path)
		info, stat := os.Lstat(at)
		switch {
		case stat != nil || info.Mode()&os.ModeSymlink != 0:
			return
		case value == "":
			err = unix.Removexattr(at, name)
		default:
			err = unix.Setxattr(at, name, text, 0)
		}
	}
	if value == "" && (err == spacedb.ErrNoXattr || err == errNoAttribute) {
		err = nil
	}
	p.ok(err)
}

func (p *pair) attributesInMirror(path string) attributes.Set {
	p.Helper()
	root, err := os.OpenRoot(p.dir) // a test may ask a thousand times
	p.ok(err)
	defer root.Close()
	set, err := attributesAt(root, path)
	p.ok(err)
	return set
}

func root(t *testing.T, dir string) *os.Root {
	t.Helper()
	r, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func inWordsOf(set attributes.Set) (words string) {
	for name, value := range set.All() {
		words += fmt.Sprintf(" %s:%s", name, attributes.Word(value))
	}
	return words
}

// both says what both sides' trees must be.
func (p *pair) both(lines ...string) {
	p.Helper()
	p.agree()
	if have := p.spaceTree(); have != strings.Join(lines, "\n") {
		p.Errorf("both are\n%s\nnot\n%s", have, strings.Join(lines, "\n"))
	}
}

func TestAttributesTravelBothWays(t *testing.T) {
	p := newPair(t)
	p.inSpace("a", "a")
	p.inSpace("d/b", "b")
	p.attribute(true, "a", "user.from", "space")
	p.attribute(true, "a", "trusted.theirs", "stays")
	p.attribute(true, "d", "user.dir", "-")
	p.inMirror("c", "c")
	p.attribute(false, "c", "user.from", "\xff\x00mirror")
	p.sync(withMetadata())
	p.both(`a=a 644 user.from:"space"`, `c=c 644 user.from:base64:/wBtaXJyb3I=`, `d/ 755 user.dir:""`, `d/b=b 644`)
	p.quiet("nothing changed")
	p.attribute(true, "c", "user.from", "")
	p.attribute(true, "c", "user.more", "1")
	p.attribute(false, "d", "user.dir", "changed")
	p.attribute(false, "a", "user.more", strings.Repeat("x", 2000)) // it is remembered: --metadata is not said again
	r := p.sync(SyncOptions{})
	p.both(`a=a 644 user.from:"space" user.more:`+attributes.Word(strings.Repeat("x", 2000)), `c=c 644 user.more:"1"`, `d/ 755 user.dir:"changed"`, `d/b=b 644`)
	if len(r.Plan.Actions) != 3 || r.Plan.Actions[0].Op != conflict.Metadata {
		t.Errorf("%+v", r.Plan.Actions)
	}
	p.quiet("nothing changed again")
}

func TestAttributesSurviveWhatIsDoneToTheFile(t *testing.T) {
	p := newPair(t)
	for _, name := range []string{"edited", "saved", "moved", "mode", "gone"} {
		p.inSpace(name, "text "+name)
		p.attribute(true, name, "user.tag", name)
	}
	p.sync(withMetadata())
	p.inSpace("edited", "edited in the space") // by a new file, as editors do
	p.inMirror("new", "saved in the mirror")
	p.ok(os.Rename(filepath.Join(p.dir, "new"), filepath.Join(p.dir, "saved")))
	p.attribute(false, "edited", "user.more", "1")
	p.attribute(true, "saved", "user.more", "2")
	p.mv(true, "moved", "to")
	p.attribute(false, "moved", "user.more", "3")
	p.chmod(true, "mode", 0o444)
	p.attribute(true, "mode", "user.more", "4")
	p.inSpace("gone", "")
	p.attribute(false, "gone", "user.more", "5") // an edit outlives a deletion
	r := p.sync(SyncOptions{})
	p.both(`edited=edited in the space 644 user.more:"1" user.tag:"edited"`, `gone=text gone 644 user.more:"5" user.tag:"gone"`,
		`mode=text mode 444 user.more:"4" user.tag:"mode"`, `saved=saved in the mirror 644 user.more:"2" user.tag:"saved"`,
		`to=text moved 644 user.more:"3" user.tag:"moved"`)
	if len(r.Plan.Conflicts) != 1 || r.Plan.Conflicts[0].Path != "gone" {
		t.Errorf("%+v", r.Plan.Conflicts)
	}
	p.quiet("all of it is done")
}

// Git removes a file and makes another, which often gets the same inode number.
func TestAFileMadeAnewHasNotLostItsAttributes(t *testing.T) {
	p := newPair(t)
	p.inSpace("a", "a")
	p.attribute(true, "a", "user.tag", "1")
	p.sync(withMetadata())
	mirrors, err := p.store.Mirrors()
	p.ok(err)
	p.until("a file is made that is younger than the sync", func() bool {
		p.inMirror("a", "made anew")
		born, known := bornAt(root(t, p.dir), "a")
		if !known {
			t.Skip("this filesystem does not tell when a file was made")
		}
		return born > mirrors[0].LastSync.UnixNano()
	})
	p.sync(SyncOptions{})
	p.both(`a=made anew 644 user.tag:"1"`)
	p.quiet("it has them again") // and is known by its ctime
	p.attribute(false, "a", "user.tag", "")
	p.sync(SyncOptions{})
	p.both("a=made anew 644")
}

// The values that lose are in the run's record: explain tells them, and undo
// brings them back.
func TestConflictsOfAttributes(t *testing.T) {
	p := newPair(t)
	p.inSpace("a", "a")
	p.attribute(true, "a", "user.n", "0")
	p.sync(withMetadata())
	p.attribute(true, "a", "user.n", "space")
	p.attribute(false, "a", "user.n", "mirror")
	before := p.sides()
	r := p.sync(withMetadata(conflict.Manual))
	if len(r.Unresolved) != 1 || len(r.Plan.Left) != 1 || p.sides() != before {
		t.Errorf("%+v\n%s", r.Plan, p.sides())
	}
	open, err := p.store.Conflicts(true)
	p.ok(err)
	if len(open) != 1 || open[0].Attribute != "user.n" || open[0].Space != `"space"` || open[0].Dir != `"mirror"` || open[0].Base != `"0"` {
		t.Errorf("%+v", open)
	}
	p.attribute(true, "a", "user.other", "in the way of nothing")
	p.sync(withMetadata(conflict.Manual))
	if got := p.attributesInMirror("a"); got != attributes.Of(map[string]string{"user.n": "mirror", "user.other": "in the way of nothing"}) {
		t.Errorf("the mirror has %q", got.Map())
	}
	before = p.sides()
	resolved, err := Resolve(context.Background(), p.store, p.dir, ResolveOptions{Path: "a", Take: conflict.DirectoryWins})
	p.ok(err)
	p.both(`a=a 644 user.n:"mirror" user.other:"in the way of nothing"`)
	if open, err := p.store.Conflicts(true); err != nil || len(open) > 0 {
		t.Errorf("%+v, %v", open, err)
	}
	_, actions, err := p.store.RunActions(resolved.Run)
	p.ok(err)
	if len(actions) != 1 || !actions[0].Lost || inWordsOf(*actions[0].Before.Attributes) != ` user.n:"space" user.other:"in the way of nothing"` {
		t.Errorf("%+v", actions)
	}
	p.undo(resolved.Run)
	if now := p.sides(); now != before {
		t.Errorf("after undo\n%s\nbefore\n%s", now, before)
	}
	p.quiet("what was taken back stays so")
}

func TestWhatIsNotAskedForIsNotTouched(t *testing.T) {
	p := newPair(t)
	p.inSpace("a", "a")
	p.attribute(true, "a", "user.space", "1")
	p.sync(SyncOptions{})
	p.attribute(false, "a", "user.mirror", "2")
	p.inSpace("b", "b")
	p.inSpace("a", "edited") // the mirror's file is replaced, and keeps its own
	p.attribute(true, "a", "user.space", "1")
	p.sync(SyncOptions{})
	if p.spaceTree() != "a=edited 644 user.space:\"1\"\nb=b 644" || p.mirrorTree() != "a=edited 644 user.mirror:\"2\"\nb=b 644" {
		t.Errorf("%s", p.sides())
	}
	// From now on: what is there is put together.
	p.sync(withMetadata())
	p.both(`a=edited 644 user.mirror:"2" user.space:"1"`, "b=b 644")
	// And not any more: what differs from now on is nobody's business, and no
	// removal when it is asked for again.
	off := false
	p.sync(SyncOptions{Metadata: &off})
	p.attribute(false, "a", "user.space", "")
	p.attribute(true, "b", "user.b", "b")
	p.quiet("it is off")
	p.sync(withMetadata())
	p.both(`a=edited 644 user.mirror:"2" user.space:"1"`, `b=b 644 user.b:"b"`)
}

// With the base lost, nobody knows what was removed: everything is kept.
func TestALostBaseTakesNoAttributeAway(t *testing.T) {
	p := newPair(t)
	p.inSpace("a", "first")
	p.attribute(true, "a", "user.both", "1")
	p.sync(withMetadata())
	p.inSpace("a", "second")
	p.attribute(true, "a", "user.space", "2")
	p.attribute(false, "a", "user.mirror", "3")
	p.forget()
	p.sync(withMetadata())
	p.both(`a=second 644 user.both:"1" user.mirror:"3" user.space:"2"`)
}

func TestADryRunAndAPlanShowAttributes(t *testing.T) {
	p := newPair(t)
	p.inSpace("a", "a")
	p.sync(SyncOptions{})
	p.attribute(false, "a", "user.\xfftag", "\x00")
	on := true
	o := withMetadata()
	o.DryRun = true
	if r := p.sync(o); len(r.Plan.Actions) != 1 || r.Plan.Actions[0].Op != conflict.Metadata {
		t.Errorf("%+v", r.Plan.Actions)
	}
	if p.quiet("a dry run remembers nothing"); t.Failed() {
		return
	}
	f, err := MakePlan(context.Background(), p.store, p.dir, conflict.Rules{}, &on, silent{})
	p.ok(err)
	again := p.written(f)
	result, err := Apply(context.Background(), p.store, again, ApplyOptions{})
	p.ok(err)
	if len(result.Failed) > 0 || result.Done != 1 {
		t.Errorf("%+v", result)
	}
	p.both("a=a 644 user.\xfftag:base64:AA==")
	// A plan that does not hold any more is left.
	p.attribute(false, "a", "user.b", "1")
	f, err = MakePlan(context.Background(), p.store, p.dir, conflict.Rules{}, nil, silent{})
	p.ok(err)
	p.attribute(false, "a", "user.b", "2")
	if result, err = Apply(context.Background(), p.store, p.written(f), ApplyOptions{}); err != nil || len(result.Failed) != 1 {
		t.Errorf("%+v, %v", result, err)
	}
}

// A value that the mirror's filesystem does not take is told of, and the file
// comes all the same.
func TestAttributesThatDoNotFit(t *testing.T) {
	p := newPair(t)
	p.inSpace("a", "a")
	p.attribute(true, "a", "user.fits", "1")
	p.attribute(true, "a", "user.large", strings.Repeat("x", spacedb.MaxXattr))
	p.inSpace("b", "b")
	o := withMetadata()
	o.wrap = func(d disk) disk { return choosy{d} }
	r, err := Sync(context.Background(), p.store, p.dir, o)
	p.ok(err)
	if len(r.Failed) != 1 || !strings.Contains(r.Failed[0].Cause, "attribute user.large (65536 bytes): the mirror's filesystem does not take it") {
		t.Errorf("%+v", r.Failed)
	}
	if want := `a=a 644 user.fits:"1"` + "\nb=b 644"; p.mirrorTree() != want {
		t.Errorf("the mirror is\n%s", p.mirrorTree())
	}
	// It is still there in the space, and everything else is synced.
	p.attribute(false, "a", "user.fits", "2")
	p.attribute(true, "b", "user.large", strings.Repeat("y", spacedb.MaxXattr))
	r, err = Sync(context.Background(), p.store, p.dir, o)
	p.ok(err)
	if len(r.Failed) != 2 || len(r.Unresolved) > 0 {
		t.Errorf("%+v", r.Failed)
	}
	a, err := p.tree.Resolve("a")
	p.ok(err)
	for name, size := range map[string]int{"user.fits": 1, "user.large": spacedb.MaxXattr} {
		if v, err := p.tree.GetXattr(a.ID, name); err != nil || len(v) != size || name == "user.fits" && string(v) != "2" {
			t.Errorf("%s: %d bytes, %v", name, len(v), err)
		}
	}
}

// choosy is a disk that takes small attributes only.
type choosy struct{ disk }

func (c choosy) split(changes []attributes.Change) (fit []attributes.Change, not []refused) {
	for _, ch := range changes {
		if ch.New != nil && len(*ch.New) > 4000 {
			not = append(not, refused{ch, unix.ENOSPC})
		} else {
			fit = append(fit, ch)
		}
	}
	return fit, not
}

func (c choosy) attribute(path string, changes []attributes.Change) ([]refused, error) {
	fit, not := c.split(changes)
	_, err := c.disk.attribute(path, fit)
	return not, err
}

func (c choosy) create(path string, content io.Reader, as conflict.Entry, mtime int64) (stamp, []refused, error) {
	fit, not := c.split(attributes.Changes("", as.Attributes))
	values := map[string]string{}
	for _, ch := range fit {
		values[ch.Name] = *ch.New
	}
	as.Attributes = attributes.Of(values)
	st, _, err := c.disk.create(path, content, as, mtime)
	return st, not, err
}

// TestAttributesConvergeAndAreUndone: whatever is done to attributes and files
// on both sides, one sync makes them agree, a second has nothing to do, no value
// is lost without a record, and undo restores every one.
func TestAttributesConvergeAndAreUndone(t *testing.T) {
	r, rounds := rand.New(rand.NewSource(seed.Of(t))), 6
	if os.Getenv("SPACEFS_UNDO_ROUNDS") != "" {
		_, rounds = seeded(t, rounds)
	}
	for round := range rounds {
		p := newPair(t)
		p.sync(withMetadata())
		for step := range 5 {
			p.shake(r, 4, fmt.Sprintf("%d.%d", round, step))
			p.shakeAttributes(r, 10, fmt.Sprintf("%d.%d", round, step))
			before, values := p.sides(), p.values()
			run := p.sync(SyncOptions{Rules: conflict.Rules{Strategies: []conflict.Strategy{conflict.Merge, conflict.Strategy(1 + r.Intn(4))}}})
			p.agree()
			p.quiet("after a sync")
			p.accountedFor(values, run.Run)
			if run.Run != 0 {
				after := p.sides()
				undone := p.undo(run.Run)
				if now := p.sides(); now != before || len(undone.Failed) > 0 {
					t.Errorf("after undo\n%s\nbefore the sync\n%s\nthe sync did %+v\nleft: %v", now, before, run.Plan.Actions, undone.Failed)
				}
				p.quiet("after undo")
				if undone.Run != 0 {
					again := p.undo(undone.Run)
					if now := p.sides(); now != after || len(again.Failed) > 0 {
						t.Errorf("after undoing the undo\n%s\nafter the sync\n%s\nleft: %v", now, after, again.Failed)
					}
				}
				p.quiet("after undoing the undo")
			}
			if t.Failed() {
				t.Fatalf("round %d, step %d", round, step)
			}
		}
	}
}

func (p *pair) shakeAttributes(r *rand.Rand, changes int, round string) {
	p.Helper()
	paths := []string{"a", "b", "c", "d", "d/a", "d/b", "d/e", "x", "x/z"}
	for i := range changes {
		value := []string{"", "-", fmt.Sprint("v", round, ".", i), "same", "\xff\x00"}[r.Intn(5)]
		p.attribute(r.Intn(2) == 0, paths[r.Intn(len(paths))], []string{"user.a", "user.b", "user.\xff"}[r.Intn(3)], value)
	}
}

// values are all attributes of both sides.
func (p *pair) values() map[string]bool {
	p.Helper()
	all := map[string]bool{}
	for _, line := range strings.Split(p.sides(), "\n") {
		if at := strings.Index(line, " user."); at >= 0 {
			for _, word := range strings.Split(line[at+1:], " ") {
				all[word] = true
			}
		}
	}
	return all
}

// accountedFor checks that values are somewhere, or in what a run recorded.
func (p *pair) accountedFor(values map[string]bool, run int64) {
	p.Helper()
	now := p.values()
	if run != 0 {
		_, actions, err := p.store.RunActions(run)
		p.ok(err)
		for _, a := range actions {
			if a.Before.Attributes != nil {
				for name, value := range a.Before.Attributes.All() {
					now[name+":"+attributes.Word(value)] = true
				}
			}
		}
	}
	for v := range values {
		if !now[v] {
			p.Errorf("%s is nowhere, nor in the record", v)
		}
	}
}
