package materialize

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"spacefs/conflict"
	"spacefs/internal/seed"
	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// pair is a space and its mirror.
type pair struct {
	*testing.T
	store *spacedb.Store
	tree  *spacedb.Tree
	dir   string
}

func newPair(t *testing.T) *pair {
	t.Helper()
	return newPairWith(t, spacedb.Options{Quiet: time.Hour, Delay: time.Hour})
}

func newPairWith(t *testing.T, o spacedb.Options) *pair {
	t.Helper()
	store, err := spacedb.Create(filepath.Join(t.TempDir(), "test.space"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		findings, err := store.Check(context.Background())
		if err != nil {
			t.Error(err)
		}
		for _, f := range findings {
			t.Errorf("check: %s", f)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return &pair{t, store, store.Tree(spacedb.Actor{Origin: spacedb.OriginMount}), t.TempDir()}
}

func (p *pair) ok(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// inSpace and inMirror make a path be what text says: "" for nothing, "/" for a
// directory, "@x" for a symlink to x, anything else for a file.
func (p *pair) inSpace(path, text string) {
	p.Helper()
	p.clearSpace(path)
	dir, _ := splitPath(path)
	if text != "" && dir != "" {
		if _, err := p.tree.Resolve(dir); err != nil {
			p.inSpace(dir, "/")
		}
	}
	var err error
	switch {
	case text == "":
		return
	case text == "/":
		_, err = p.tree.PlaceDir(path, spacedb.Guard{Absent: true}, 0o755, 1)
	case text[0] == '@':
		_, err = p.tree.PlaceSymlink(path, spacedb.Guard{Absent: true}, text[1:], 1)
	default:
		g := p.tree.Stage()
		io.WriteString(g, text)
		_, err = p.tree.Place(path, spacedb.Guard{Absent: true}, g, 0o644, time.Now().UnixNano())
	}
	p.ok(err)
}

func (p *pair) clearSpace(path string) {
	a, err := p.tree.Resolve(path)
	if err != nil {
		return
	}
	if a.IsDir() {
		var names []string
		p.ok(p.tree.ReadDir(a.ID, 0, func(e spacedb.Dirent) bool { names = append(names, e.Name); return true }))
		for _, n := range names {
			p.clearSpace(path + "/" + n)
		}
	}
	p.ok(p.tree.RemoveAt(path, spacedb.Guard{}))
}

func (p *pair) inMirror(path, text string) {
	p.Helper()
	at := filepath.Join(p.dir, path)
	p.ok(os.RemoveAll(at))
	if text == "" {
		return
	}
	p.ok(os.MkdirAll(filepath.Dir(at), 0o755))
	switch {
	case text == "/":
		p.ok(os.Mkdir(at, 0o755))
	case text[0] == '@':
		p.ok(os.Symlink(text[1:], at))
	default:
		p.ok(os.WriteFile(at, []byte(text), 0o644))
	}
}

func (p *pair) sync(o SyncOptions) SyncResult {
	p.Helper()
	o.AcceptDeletes = true
	r, err := Sync(context.Background(), p.store, p.dir, o)
	p.ok(err)
	for _, f := range r.Failed {
		p.Errorf("failed: %s", f)
	}
	return r
}

func (p *pair) spaceTree() string {
	p.Helper()
	v, err := p.store.Snapshot(context.Background())
	p.ok(err)
	defer v.Close()
	var b strings.Builder
	p.ok(v.Walk(context.Background(), "", func(it spacedb.Item) error {
		p.ok(addAttributes(v, &it))
		switch {
		case it.Junk:
			return skip(it.Attr)
		case it.Attr.IsDir():
			fmt.Fprintf(&b, "%s/ %o%s\n", it.Path, it.Attr.Perm()&permMask, inWordsOf(it.Attributes))
		case it.Attr.IsSymlink():
			fmt.Fprintf(&b, "%s@%s\n", it.Path, it.Target)
		default:
			r, err := v.Open(it.Attr.ID)
			p.ok(err)
			text, err := io.ReadAll(r)
			p.ok(err)
			fmt.Fprintf(&b, "%s=%s %o%s\n", it.Path, text, it.Attr.Perm()&permMask, inWordsOf(it.Attributes))
		}
		return nil
	}))
	return sorted(b.String())
}

func sorted(lines string) string {
	l := strings.Split(strings.TrimSpace(lines), "\n")
	sort.Strings(l)
	return strings.Join(l, "\n")
}

func (p *pair) mirrorTree() string {
	p.Helper()
	var b strings.Builder
	p.ok(filepath.WalkDir(p.dir, func(at string, d fs.DirEntry, err error) error {
		path, _ := filepath.Rel(p.dir, at)
		switch {
		case err != nil || path == ".":
			return err
		case path == stateDir:
			return fs.SkipDir
		case d.IsDir():
			info, err := d.Info()
			p.ok(err)
			fmt.Fprintf(&b, "%s/ %o%s\n", path, info.Mode().Perm(), inWordsOf(p.attributesInMirror(path)))
		case d.Type() == fs.ModeSymlink:
			target, _ := os.Readlink(at)
			fmt.Fprintf(&b, "%s@%s\n", path, target)
		default:
			text, err := os.ReadFile(at)
			p.ok(err)
			info, err := d.Info()
			p.ok(err)
			fmt.Fprintf(&b, "%s=%s %o%s\n", path, text, info.Mode().Perm(), inWordsOf(p.attributesInMirror(path)))
		}
		return nil
	}))
	return sorted(b.String())
}

func (p *pair) agree() {
	p.Helper()
	if s, m := p.spaceTree(), p.mirrorTree(); s != m {
		p.Errorf("the sides differ; space:\n%s\nmirror:\n%s", s, m)
	}
}

func TestFirstSyncCopiesBothWays(t *testing.T) {
	p := newPair(t)
	p.inSpace("notes/a.md", "from the space")
	p.inSpace("link", "@notes/a.md")
	p.inSpace("empty", "/")
	p.inMirror("docs/b.md", "from the mirror")
	p.inMirror("\xff\xfe", "a name that is no UTF-8")
	r := p.sync(SyncOptions{})
	p.agree()
	if r.Done != 7 {
		t.Errorf("%d done", r.Done)
	}
	if r := p.sync(SyncOptions{}); r.Run != 0 || len(r.Plan.Actions) != 0 {
		t.Errorf("a second sync does something: %+v", r.Plan)
	}
}

func TestEditsDeletionsAndMovesTravel(t *testing.T) {
	p := newPair(t)
	for _, name := range []string{"a", "b", "c", "d/e", "d/f"} {
		p.inSpace(name, "text of "+name)
	}
	p.sync(SyncOptions{})
	p.inSpace("a", "edited in the space")
	p.inMirror("b", "edited in the mirror")
	p.inSpace("c", "")
	p.inMirror("d", "")
	p.inMirror("moved/e", "text of d/e")
	r := p.sync(SyncOptions{})
	p.agree()
	if len(r.Plan.Conflicts) != 0 {
		t.Errorf("conflicts: %+v", r.Plan.Conflicts)
	}
	for _, want := range []string{"a=edited in the space 644", "b=edited in the mirror 644", "moved/e=text of d/e 644"} {
		if !strings.Contains(p.mirrorTree(), want) {
			t.Errorf("no %q in\n%s", want, p.mirrorTree())
		}
	}
}

func TestLosersAreInHistory(t *testing.T) {
	for strategy, want := range map[conflict.Strategy]string{conflict.SpaceWins: "S", conflict.DirectoryWins: "M"} {
		t.Run(strategy.String(), func(t *testing.T) {
			p := newPair(t)
			p.inSpace("f", "base")
			p.sync(SyncOptions{})
			p.inSpace("f", "S")
			p.inMirror("f", "M")
			r := p.sync(SyncOptions{Rules: conflict.Rules{Strategies: []conflict.Strategy{strategy}}})
			p.agree()
			if len(r.Plan.Conflicts) != 1 || p.spaceTree() != "f="+want+" 644" {
				t.Errorf("tree %s, conflicts %+v", p.spaceTree(), r.Plan.Conflicts)
			}
			for _, text := range []string{"base", "S", "M"} {
				if have, err := p.store.HasContent(sha256.Sum256([]byte(text))); err != nil || !have {
					t.Errorf("%q is not in history (%v)", text, err)
				}
			}
		})
	}
}

func TestManualConflictsStayUntilResolved(t *testing.T) {
	p := newPair(t)
	manual := SyncOptions{Rules: conflict.Rules{Strategies: []conflict.Strategy{conflict.Manual}}}
	p.inSpace("f", "base")
	p.sync(manual)
	p.inSpace("f", "S")
	p.inMirror("f", "M")
	for range 2 {
		if r := p.sync(manual); len(r.Unresolved) != 1 {
			t.Fatalf("unresolved: %+v", r.Unresolved)
		}
	}
	open, err := p.store.Conflicts(true)
	p.ok(err)
	if len(open) != 1 || open[0].Path != "f" {
		t.Errorf("conflicts %+v", open)
	}
	p.inMirror("f", "S")
	p.sync(manual)
	p.agree()
	if open, _ := p.store.Conflicts(true); len(open) != 0 {
		t.Errorf("still open: %+v", open)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	p := newPair(t)
	p.inSpace("a", "1")
	p.inMirror("b", "2")
	before := p.store.Status().Seq
	r, err := Sync(context.Background(), p.store, p.dir, SyncOptions{DryRun: true})
	p.ok(err)
	if len(r.Plan.Actions) != 2 {
		t.Errorf("plan %+v", r.Plan.Actions)
	}
	if _, err := os.Stat(filepath.Join(p.dir, stateDir)); err == nil || p.store.Status().Seq != before {
		t.Errorf("it wrote: %v, seq %d instead of %d", err, p.store.Status().Seq, before)
	}
}

func TestGuards(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(*pair)
		want  string
	}{
		{"the root is missing", func(p *pair) { p.ok(os.RemoveAll(p.dir)) }, "does not exist"},
		{"the root is a file", func(p *pair) { p.ok(os.RemoveAll(p.dir)); p.ok(os.WriteFile(p.dir, nil, 0o644)) }, "is not a directory"},
		{"an unmounted disk leaves an empty directory", func(p *pair) { p.ok(os.RemoveAll(p.dir)); p.ok(os.Mkdir(p.dir, 0o755)) }, "lost its marker"},
		{"a copy of it without the marker", func(p *pair) {
			p.ok(os.Rename(p.dir, p.dir+".was"))
			p.ok(os.CopyFS(p.dir, os.DirFS(p.dir+".was")))
			p.ok(os.RemoveAll(filepath.Join(p.dir, stateDir)))
		}, "lost its marker"},
		{"everything but the marker is gone", func(p *pair) {
			for i := range 20 {
				p.ok(os.Remove(filepath.Join(p.dir, fmt.Sprint("f", i))))
			}
		}, "is empty"},
		{"most of it is gone", func(p *pair) {
			for i := range 15 {
				p.ok(os.Remove(filepath.Join(p.dir, fmt.Sprint("f", i))))
			}
		}, "would delete 15 of the 20 files"},
		{"it belongs to another space", func(p *pair) {
			p.ok(os.WriteFile(filepath.Join(p.dir, markerPath), []byte(`{"mirror":"x","space":"y","path":"/other.space"}`), 0o600))
		}, "mirror of another space"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t)
			for i := range 20 {
				p.inSpace(fmt.Sprint("f", i), fmt.Sprint("text ", i))
			}
			p.sync(SyncOptions{})
			want := p.spaceTree()
			c.spoil(p)
			_, err := Sync(context.Background(), p.store, p.dir, SyncOptions{})
			var guard *GuardError
			if !errors.As(err, &guard) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			if p.spaceTree() != want {
				t.Errorf("the space changed")
			}
		})
	}
}

func TestSymlinksLeadNowhere(t *testing.T) {
	p := newPair(t)
	outside := t.TempDir()
	p.ok(os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
	p.inMirror("way-out", "@"+outside)
	p.sync(SyncOptions{})
	p.agree()
	p.inSpace("way-out", "")
	p.inSpace("way-out/secret", "overwritten")
	p.sync(SyncOptions{})
	p.agree()
	if text, _ := os.ReadFile(filepath.Join(outside, "secret")); string(text) != "secret" {
		t.Errorf("outside the mirror: %q", text)
	}
}

func TestExportAndImportAreInverse(t *testing.T) {
	p := newPair(t)
	p.inMirror("a/b/c", "deep")
	p.inMirror("empty file", "")
	p.ok(os.WriteFile(filepath.Join(p.dir, "empty file"), nil, 0o600))
	p.inMirror("link", "@a/b")
	p.inMirror("\xff", "no UTF-8")
	p.inMirror("empty dir", "/")
	p.ok(os.Chmod(filepath.Join(p.dir, "a"), 0o700))
	when := time.Unix(-1e9, 5)
	p.ok(os.Chtimes(filepath.Join(p.dir, "a/b/c"), when, when))
	for want, run := range []string{"first", "again"} {
		r, err := Import(context.Background(), p.store, p.dir, ImportOptions{})
		p.ok(err)
		if len(r.Failed) > 0 || (want == 1) != (r.Imported == 0) {
			t.Errorf("%s: %+v", run, r)
		}
	}
	p.agree()
	out := filepath.Join(t.TempDir(), "out")
	r, err := Export(context.Background(), p.store, out, ExportOptions{})
	p.ok(err)
	if len(r.Failed) > 0 || r.Documents != 3 {
		t.Errorf("%+v", r)
	}
	want := p.mirrorTree()
	p.ok(os.Remove(filepath.Join(out, manifest.Name)))
	p.dir = out
	if got := p.mirrorTree(); got != want {
		t.Errorf("exported\n%s\nwant\n%s", got, want)
	}
	info, err := os.Stat(filepath.Join(out, "a/b/c"))
	p.ok(err)
	if !info.ModTime().Equal(when) {
		t.Errorf("time %v", info.ModTime())
	}
	if _, err := Export(context.Background(), p.store, out, ExportOptions{}); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("export over it: %v", err)
	}
}

// TestRandomTreesConverge: whatever happens on both sides, a sync whose
// strategies decide leaves them equal, a second has nothing to do, and no
// content that ever was is lost.
func TestRandomTreesConverge(t *testing.T) {
	r := rand.New(rand.NewSource(seed.Of(t)))
	paths := []string{"a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "d/e/b", "x/y", "x"}
	for round := range 25 {
		p := newPair(t)
		texts := map[string]bool{}
		for step := range 6 {
			for i := range 6 {
				path := paths[r.Intn(len(paths))]
				text := fmt.Sprintf("text %d.%d.%d", round, step, i)
				switch r.Intn(8) {
				case 6, 7:
					p.mv(r.Intn(2) == 0, path, paths[r.Intn(len(paths))])
					continue
				case 0:
					text = ""
				case 1:
					text = "/"
				case 2:
					text = "@" + text
				default:
					texts[text] = true
				}
				p.change(r.Intn(2) == 0, path, text)
			}
			strategy := conflict.Strategy(1 + r.Intn(4))
			p.sync(SyncOptions{Rules: conflict.Rules{Strategies: []conflict.Strategy{conflict.Merge, strategy}}})
			p.agree()
			if again := p.sync(SyncOptions{}); len(again.Plan.Actions) != 0 {
				t.Errorf("a second sync does %+v", again.Plan.Actions)
			}
			if t.Failed() {
				t.Fatalf("round %d, step %d", round, step)
			}
		}
	}
}

// change makes path be text on one side, unless what is above it is no
// directory there.
func (p *pair) change(space bool, path, text string) {
	for dir, _ := splitPath(path); dir != ""; dir, _ = splitPath(dir) {
		if space {
			if a, err := p.tree.Resolve(dir); err == nil && !a.IsDir() {
				return
			}
		} else if info, err := os.Lstat(filepath.Join(p.dir, dir)); err == nil && !info.IsDir() {
			return
		}
	}
	if space {
		p.inSpace(path, text)
	} else {
		p.inMirror(path, text)
	}
}

func TestCopiedMirrorIsTakenAsItIs(t *testing.T) {
	p := newPair(t)
	p.inSpace("a.md", "first")
	p.sync(SyncOptions{})
	// A restored backup: the same content, another inode and other times.
	p.inMirror("a.md", "first")
	p.inSpace("a.md", "second")
	p.sync(SyncOptions{})
	p.agree()
}

func TestModeAndContentChangedOnDifferentSidesAreMerged(t *testing.T) {
	p := newPair(t)
	p.inSpace("a.md", "first")
	p.inSpace("b.md", "first")
	p.sync(SyncOptions{})
	p.ok(os.Chmod(filepath.Join(p.dir, "a.md"), 0o600))
	p.writeInSpace("a.md", "second")
	p.ok(os.WriteFile(filepath.Join(p.dir, "b.md"), []byte("second"), 0o644))
	mode := uint32(0o600)
	_, err := p.tree.ChangeAt("b.md", spacedb.Guard{}, spacedb.AttrChange{Mode: &mode})
	p.ok(err)
	if r := p.sync(SyncOptions{}); len(r.Plan.Conflicts) > 0 {
		t.Errorf("conflicts: %v", r.Plan.Conflicts)
	}
	p.agree()
	if want := "a.md=second 600\nb.md=second 600"; p.mirrorTree() != want {
		t.Errorf("the mirror is\n%s", p.mirrorTree())
	}
	if r := p.sync(SyncOptions{}); !r.Plan.Empty() {
		t.Errorf("another sync would do %v", r.Plan.Actions)
	}
}

// writeInSpace changes a document's content and nothing else of it.
func (p *pair) writeInSpace(path, text string) {
	p.Helper()
	a, err := p.tree.Resolve(path)
	p.ok(err)
	size := int64(0)
	_, err = p.tree.SetAttr(a.ID, spacedb.AttrChange{Size: &size})
	p.ok(err)
	_, err = p.tree.WriteAt(a.ID, []byte(text), 0)
	p.ok(err)
}

func TestPlainEditsAreOneAction(t *testing.T) {
	p := newPair(t)
	p.inSpace("a.md", "first")
	p.sync(SyncOptions{})
	p.writeInSpace("a.md", "second")
	r := p.sync(SyncOptions{})
	if len(r.Plan.Actions) != 1 || r.Done != 1 {
		t.Errorf("%d done of %v", r.Done, r.Plan.Actions)
	}
}
