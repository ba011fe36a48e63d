package materialize

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"spacefs/materialize/fold"
	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// awkward is a tree of what goes wrong first.
func awkward(p *pair) {
	p.Helper()
	p.inSpace("empty", "")
	g := p.tree.Stage()
	_, err := p.tree.Place("nothing in it", spacedb.Guard{Absent: true}, g, 0o600, 12345)
	p.ok(err)
	p.inSpace("run.sh", "#!/bin/sh\n")
	mode := uint32(0o755)
	_, err = p.tree.ChangeAt("run.sh", spacedb.Guard{}, spacedb.AttrChange{Mode: &mode})
	p.ok(err)
	p.inSpace("bytes\xff\xfe/\x80", "\x00\xff\xfe not text")
	p.inSpace("guide/intro.md", "intro")
	p.inSpace("guide.md", "a document beside a folder")
	p.inSpace("guide/index.md", "an index that is there already")
	p.inSpace("_a/__b/c_", "underscores")
	p.inSpace("100%/%5F", "percent")
	p.inSpace("hollow/inside", "/")
	p.inSpace("link", "@guide/../\xff")
	p.inSpace(strings.Repeat("deep/", 60)+"end", "deep")
	p.inSpace("x/"+strings.Repeat("long name ", 20), "long")
	p.inSpace("large", strings.Repeat("0123456789abcdef", 30000))
	p.inSpace(".spacefs/state", "not a mirror's")
	p.inSpace(manifest.Name, "not a manifest")
	p.inSpace("a.md.meta.json", "not metadata")
	p.inSpace("a.md", "---\ntitle: front matter\n---\n")
	p.ok(p.store.Seal(context.Background()))
}

// items is every item with its content, by path.
func (p *pair) items() map[string]string {
	p.Helper()
	v, err := p.store.Snapshot(context.Background())
	p.ok(err)
	defer v.Close()
	all := map[string]string{}
	p.ok(v.Walk(context.Background(), "", func(it spacedb.Item) error {
		mtime := it.Attr.Mtime
		if it.Attr.IsDir() {
			mtime = 0
		}
		all[it.Path] = fmt.Sprintf("%o %d %s %s %q", it.Attr.Mode, mtime, it.ID, it.SHA256, it.Target)
		return nil
	}))
	return all
}

func (p *pair) sameItems(what string, got, want map[string]string) {
	p.Helper()
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if got[path] != want[path] {
			p.Errorf("%s: %q is\n%s instead of\n%s", what, path, got[path], want[path])
		}
	}
	for path := range got {
		if _, known := want[path]; !known {
			p.Errorf("%s: %q is too much", what, path)
		}
	}
}

func (p *pair) export(dir string, o ExportOptions) ExportResult {
	p.Helper()
	r, err := Export(context.Background(), p.store, dir, o)
	p.ok(err)
	for _, f := range r.Failed {
		p.Errorf("failed: %s", f)
	}
	return r
}

func (p *pair) bring(dir string, o ImportOptions) ImportResult {
	p.Helper()
	r, err := Import(context.Background(), p.store, dir, o)
	p.ok(err)
	for _, f := range r.Failed {
		p.Errorf("failed: %s", f)
	}
	return r
}

// files is what is in a directory, but for manifests.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Name() == manifest.Name && filepath.Dir(path) == dir {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, dir)
		switch {
		case e.IsDir():
			all[name] = info.Mode().String()
		case info.Mode()&fs.ModeSymlink != 0:
			all[name], err = os.Readlink(path)
		default:
			var text []byte
			text, err = os.ReadFile(path)
			all[name] = fmt.Sprintf("%s %d %x", info.Mode(), info.ModTime().UnixNano(), text[:min(len(text), 99)])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Export, import into a new space, export: identical trees and, through the
// manifest, identical documents, from every variant.
func TestRoundTrips(t *testing.T) {
	for _, variant := range []fold.Variant{fold.ByPath, fold.Flat, fold.Hierarchical} {
		t.Run(string(variant), func(t *testing.T) {
			p, q := newPair(t), newPair(t)
			awkward(p)
			o := ExportOptions{Variant: variant, Metadata: true, Index: variant == fold.Hierarchical}
			first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
			p.export(first, o)
			r := q.bring(first, ImportOptions{})
			if r.Edited+r.Vanished > 0 {
				t.Errorf("%+v", r)
			}
			q.sameItems("the new space", q.items(), p.items())
			q.export(second, o)
			p.sameItems("exported again", files(t, second), files(t, first))

			again := q.bring(first, ImportOptions{})
			if again.Imported > 0 || again.Unchanged != r.Imported {
				t.Errorf("again: %+v", again)
			}
		})
	}
}

func TestTarRoundTrip(t *testing.T) {
	p, q := newPair(t), newPair(t)
	awkward(p)
	var stream bytes.Buffer
	_, err := ExportTar(context.Background(), p.store, &stream, ExportOptions{Variant: fold.Flat, Metadata: true})
	p.ok(err)
	r, err := ImportTar(context.Background(), q.store, &stream, ImportOptions{})
	q.ok(err)
	if len(r.Failed) > 0 {
		t.Error(r.Failed)
	}
	q.sameItems("the new space", q.items(), p.items())
}

func TestAnIncrementalExportTouchesOnlyWhatItWrote(t *testing.T) {
	p := newPair(t)
	for _, path := range []string{"same", "changed", "gone", "edited", "edited and changed", "edited and gone", "missing", "d/x", "d/y", "kind", "dir/in it"} {
		p.inSpace(path, path)
	}
	dir := filepath.Join(t.TempDir(), "out")
	p.export(dir, ExportOptions{})
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) { p.ok(os.WriteFile(at(name), []byte(text), 0o644)) }
	text := func(name string) string { b, _ := os.ReadFile(at(name)); return string(b) }

	quiet := p.export(dir, ExportOptions{Incremental: true})
	if quiet.Documents != 0 || quiet.Run != 0 || quiet.Unchanged != 13 {
		t.Errorf("nothing changed: %+v", quiet)
	}

	p.inSpace("changed", "new")
	p.inSpace("gone", "")
	p.inSpace("edited and changed", "new")
	p.inSpace("edited and gone", "")
	p.inSpace("d/x", "")
	p.inSpace("d/y", "")
	p.inSpace("d", "")
	p.inSpace("kind", "/")
	p.inSpace("kind/below", "below")
	p.clearSpace("dir")
	p.inSpace("dir", "a document now")
	p.inSpace("added/deep/file", "added")
	p.inSpace("in the way", "the space's")
	p.inSpace("in the way but alike", "alike")
	write("edited", "by hand")
	write("edited and changed", "by hand")
	write("edited and gone", "by hand")
	write("mine", "mine")
	write("in the way", "mine")
	write("in the way but alike", "alike")
	p.ok(os.Remove(at("missing")))
	write("d/mine", "mine")

	before := files(t, dir)
	dry, err := Export(t.Context(), p.store, dir, ExportOptions{Incremental: true, DryRun: true})
	p.ok(err)
	p.sameItems("a dry run", files(t, dir), before)

	r, err := Export(t.Context(), p.store, dir, ExportOptions{Incremental: true})
	p.ok(err)
	if dry.Documents != r.Documents || dry.Left != r.Left || len(dry.Failed) != len(r.Failed) {
		t.Errorf("the dry run says\n%+v, the run\n%+v", dry, r)
	}
	for name, want := range map[string]string{
		"same": "same", "changed": "new", "gone": "", "edited": "by hand", "edited and changed": "by hand", "edited and gone": "by hand",
		"missing": "missing", "mine": "mine", "in the way": "mine", "d/mine": "mine", "d/x": "", "kind/below": "below", "dir": "a document now",
		"added/deep/file": "added",
	} {
		if text(name) != want {
			t.Errorf("%s is %q, want %q", name, text(name), want)
		}
	}
	var failed []string
	for _, f := range r.Failed {
		failed = append(failed, f.Path)
	}
	slices.Sort(failed)
	if want := []string{"edited and changed", "in the way"}; !slices.Equal(failed, want) || r.Left != 3 {
		t.Errorf("failed %q, want %q; %+v", failed, want, r)
	}

	// What was left alone stays known as edited, and gives way when it goes.
	p.ok(os.Remove(at("edited and changed")))
	p.ok(os.Remove(at("in the way")))
	p.ok(os.Remove(at("edited")))
	p.export(dir, ExportOptions{Incremental: true})
	for name, want := range map[string]string{"edited and changed": "new", "in the way": "the space's", "edited": "edited", "mine": "mine"} {
		if text(name) != want {
			t.Errorf("at last %s is %q, want %q", name, text(name), want)
		}
	}
	if again := p.export(dir, ExportOptions{Incremental: true}); again.Run != 0 {
		t.Errorf("nothing changed at last: %+v", again)
	}
}

// An export that ends anywhere is brought to its end by the next.
func TestAnInterruptedExportIsFinished(t *testing.T) {
	p := newPair(t)
	p.inSpace("a", "one")
	p.inSpace("b", "two")
	dir := filepath.Join(t.TempDir(), "out")
	p.export(dir, ExportOptions{})
	p.inSpace("a", "three")
	p.inSpace("b", "four")
	p.inSpace("c", "five")
	want := filepath.Join(t.TempDir(), "want")
	p.export(want, ExportOptions{})

	// As if killed: the next manifest is there, one file is in its place, one is not.
	text, err := os.ReadFile(filepath.Join(want, manifest.Name))
	p.ok(err)
	p.ok(os.WriteFile(filepath.Join(dir, nextManifest), text, 0o644))
	p.ok(os.WriteFile(filepath.Join(dir, "a"), []byte("three"), 0o644))
	p.ok(os.Mkdir(filepath.Join(dir, stagedDir), 0o700))
	p.ok(os.WriteFile(filepath.Join(dir, stagedDir, "0"), []byte("fo"), 0o644))
	p.inSpace("a", "six") // and the space went on
	p.export(dir, ExportOptions{Incremental: true})
	for name, text := range map[string]string{"a": "six", "b": "four", "c": "five"} {
		if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != text {
			t.Errorf("%s is %q", name, got)
		}
	}
	for _, name := range []string{stagedDir, nextManifest} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left", name)
		}
	}
}

func TestAnExportOfThePast(t *testing.T) {
	p := newPair(t)
	p.inSpace("a", "then")
	run, err := p.store.BeginRun("test", 0)
	p.ok(err)
	p.ok(p.store.FinishRun(run.ID, "ok", "", nil))
	p.inSpace("a", "now")
	p.inSpace("b", "new")
	dir := filepath.Join(t.TempDir(), "out")
	p.export(dir, ExportOptions{At: &spacedb.Moment{After: run.ID}})
	if got := files(t, dir); len(got) != 2 || !strings.HasSuffix(got["/a"], fmt.Sprintf(" %x", "then")) {
		t.Errorf("exported %v", got)
	}
}

func TestPatternsChooseWhatIsExportedAndImported(t *testing.T) {
	p, q := newPair(t), newPair(t)
	for _, path := range []string{"a.md", "b.txt", "d/c.md", "d/e.txt", "hollow/f.txt", "tmp/g.md"} {
		p.inSpace(path, path)
	}
	dir := filepath.Join(t.TempDir(), "out")
	p.export(dir, ExportOptions{Include: []string{"*.md"}, Exclude: []string{"/tmp/"}})
	want := []string{"", "/a.md", "/d", "/d/c.md"}
	if got := slices.Sorted(maps.Keys(files(t, dir))); !slices.Equal(got, want) {
		t.Errorf("exported %q", got)
	}
	all := filepath.Join(t.TempDir(), "all")
	p.export(all, ExportOptions{})
	q.bring(all, ImportOptions{Include: []string{"*.md"}, Exclude: []string{"/tmp/"}, Into: "x/y"})
	if got := slices.Sorted(maps.Keys(q.items())); !slices.Equal(got, []string{"x", "x/y", "x/y/a.md", "x/y/d", "x/y/d/c.md", "x/y/hollow"}) {
		t.Errorf("imported %q", got)
	}
	if _, err := Export(t.Context(), p.store, dir+"2", ExportOptions{Exclude: []string{"a\x00"}}); err == nil {
		t.Error("a bad pattern is taken")
	}
}

func TestAnImportTellsEditedFromUntouched(t *testing.T) {
	p := newPair(t)
	for _, path := range []string{"a/untouched", "a/untouched, the space went on", "a/edited", "a/edited on both sides", "a/vanished"} {
		p.inSpace(path, path)
	}
	dir := filepath.Join(t.TempDir(), "out")
	p.export(dir, ExportOptions{Variant: fold.Flat})
	write := func(name, text string) { p.ok(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)) }
	write("a__edited", "by hand")
	write("a__edited on both sides", "by hand")
	write("a__new_one", "new")
	p.ok(os.Remove(filepath.Join(dir, "a__vanished")))
	p.inSpace("a/untouched, the space went on", "newer")
	p.inSpace("a/edited on both sides", "newer")

	r := p.bring(dir, ImportOptions{OnConflict: RenameIt})
	if r.Imported != 3 || r.Unchanged != 2 || r.Edited != 2 || r.Vanished != 1 {
		t.Errorf("%+v", r)
	}
	for path, want := range map[string]string{
		"a/untouched": "a/untouched", "a/untouched, the space went on": "newer", "a/edited": "by hand", "a/edited on both sides": "newer",
		"a/edited on both sides (imported)": "by hand", "a/vanished": "a/vanished", "a/new_one": "new",
	} {
		if got := p.read(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

func (p *pair) read(path string) string {
	a, err := p.tree.Resolve(path)
	if err != nil {
		return ""
	}
	buf := make([]byte, a.Size)
	_, err = p.tree.ReadAt(a.ID, buf, 0)
	p.ok(err)
	return string(buf)
}

// An import again reads nothing that looks the same, and sees everything else.
func TestAnImportAgainReadsOnlyWhatLooksDifferent(t *testing.T) {
	p := newPair(t)
	for _, path := range []string{"a", "b", "c", "d/e", "d/f"} {
		p.inMirror(path, path)
	}
	first := p.bring(p.dir, ImportOptions{})
	if first.Imported != 5 {
		t.Fatalf("%+v", first)
	}
	// Not readable any more, if it were tried.
	if os.Getuid() != 0 {
		p.ok(os.Chmod(filepath.Join(p.dir, "c"), 0))
	}
	p.inMirror("a", "edited")
	p.inMirror("d/g", "new")
	p.inSpace("b", "changed in the space")
	r := p.bring(p.dir, ImportOptions{})
	if r.Imported != 3 || r.Unchanged != 3 {
		t.Errorf("%+v", r)
	}
	for path, want := range map[string]string{"a": "edited", "b": "b", "c": "c", "d/g": "new"} {
		if got := p.read(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

func TestBadManifestsStopAnImportAndAnExport(t *testing.T) {
	p, q := newPair(t), newPair(t)
	p.inSpace("a", "a")
	q.inSpace("a", "another space's")
	secret := filepath.Join(t.TempDir(), "secret")
	p.ok(os.WriteFile(secret, []byte("secret"), 0o600))
	good := filepath.Join(t.TempDir(), "good")
	p.export(good, ExportOptions{})
	whole, err := os.ReadFile(filepath.Join(good, manifest.Name))
	p.ok(err)
	line := func(entries ...string) string {
		head, _, _ := strings.Cut(string(whole), "\n")
		return head + "\n" + strings.Join(entries, "\n") + fmt.Sprintf("\n{\"end\":true,\"entries\":%d}\n", len(entries))
	}
	hash := strings.Repeat("0", 64)
	for what, text := range map[string]string{
		"truncated":  string(whole[:len(whole)/2]),
		"empty":      "",
		"upwards":    line(`{"kind":"document","path":"../secret","mode":"644","mtime":0,"size":0,"sha256":"` + hash + `"}`),
		"absolute":   line(`{"kind":"document","path":"a","name":"` + secret + `","mode":"644","mtime":0,"size":0,"sha256":"` + hash + `"}`),
		"twice":      line(`{"kind":"directory","path":"d","mode":"755","mtime":0}`, `{"kind":"directory","path":"d","mode":"755","mtime":0}`),
		"not a file": "/",
		"a symlink":  "@" + secret,
	} {
		dir := t.TempDir()
		x := &pair{T: t, store: p.store, tree: p.tree, dir: dir}
		x.inMirror(manifest.Name, text)
		if text == "" {
			p.ok(os.WriteFile(filepath.Join(dir, manifest.Name), nil, 0o644))
		}
		x.inMirror("a", "a")
		if _, err := Import(t.Context(), p.store, dir, ImportOptions{}); err == nil {
			t.Errorf("%s: it is imported", what)
		}
		if _, err := Export(t.Context(), p.store, dir, ExportOptions{Incremental: true}); err == nil {
			t.Errorf("%s: it is exported over", what)
		}
		if got, _ := os.ReadFile(secret); string(got) != "secret" {
			t.Fatalf("%s: the secret is %q", what, got)
		}
		if _, err := Import(t.Context(), p.store, dir, ImportOptions{NoManifest: true}); err != nil {
			t.Errorf("%s, without it: %v", what, err)
		}
	}
	_, err = Export(t.Context(), q.store, good, ExportOptions{Incremental: true})
	if err == nil || !strings.Contains(err.Error(), "another space") {
		t.Errorf("over another space's export: %v", err)
	}
	_, err = Export(t.Context(), p.store, good, ExportOptions{Incremental: true, Variant: fold.Flat})
	if err == nil || !strings.Contains(err.Error(), "by_path export") {
		t.Errorf("over another variant: %v", err)
	}
}

// A directory that became a symlink is not followed to what is not ours.
func TestAnExportFollowsNoSymlink(t *testing.T) {
	p := newPair(t)
	p.inSpace("d/a", "a")
	dir, outside := filepath.Join(t.TempDir(), "out"), t.TempDir()
	p.export(dir, ExportOptions{})
	p.ok(os.WriteFile(filepath.Join(outside, "a"), []byte("a"), 0o644))
	p.ok(os.RemoveAll(filepath.Join(dir, "d")))
	p.ok(os.Symlink(outside, filepath.Join(dir, "d")))
	p.inSpace("d/a", "changed")
	p.inSpace("d/b", "new")
	for range 2 { // it is told each time
		r, err := Export(t.Context(), p.store, dir, ExportOptions{Incremental: true})
		p.ok(err)
		if len(r.Failed) != 2 || !strings.Contains(r.Failed[0].Cause, "should be its directory") {
			t.Errorf("%+v", r)
		}
	}
	if names, _ := os.ReadDir(outside); len(names) != 1 {
		t.Errorf("outside: %v", names)
	}
	if text, _ := os.ReadFile(filepath.Join(outside, "a")); string(text) != "a" {
		t.Errorf("outside: %q", text)
	}
}

func TestADestinationThatWillNotDo(t *testing.T) {
	p := newPair(t)
	p.inSpace("a", "a")
	file := filepath.Join(t.TempDir(), "file")
	p.ok(os.WriteFile(file, []byte("mine"), 0o644))
	used := t.TempDir()
	p.ok(os.WriteFile(filepath.Join(used, "mine"), []byte("mine"), 0o644))
	for dir, want := range map[string]string{
		file:                            "not a directory",
		used:                            "holds no export",
		filepath.Join(file, "below"):    "not a directory",
		filepath.Join(used, "no/where"): "there is no directory",
	} {
		_, err := Export(t.Context(), p.store, dir, ExportOptions{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if got := files(t, used); len(got) != 2 {
		t.Errorf("%v", got)
	}
	empty := t.TempDir()
	p.export(empty, ExportOptions{})
	if got, _ := os.ReadFile(filepath.Join(empty, "a")); string(got) != "a" {
		t.Errorf("in an empty directory a is %q", got)
	}
}

// What could not be exported is told by every export until it can be.
func TestAnExportGoesOnTellingWhatIsInItsWay(t *testing.T) {
	p := newPair(t)
	p.inSpace("a", "a")
	dir := filepath.Join(t.TempDir(), "out")
	p.export(dir, ExportOptions{})
	p.inSpace("b", "the space's")
	p.ok(os.WriteFile(filepath.Join(dir, "b"), []byte("mine"), 0o644))
	for range 3 {
		r, err := Export(t.Context(), p.store, dir, ExportOptions{Incremental: true})
		p.ok(err)
		if len(r.Failed) != 1 || r.Failed[0].Path != "b" {
			t.Errorf("%+v", r)
		}
	}
	p.ok(os.Remove(filepath.Join(dir, "b")))
	if r := p.export(dir, ExportOptions{Incremental: true}); r.Documents != 1 {
		t.Errorf("%+v", r)
	}
	if r := p.export(dir, ExportOptions{Incremental: true}); r.Run != 0 || r.Unchanged != 2 {
		t.Errorf("nothing changed any more: %+v", r)
	}
}

// The name that a mount keeps for itself does not come in.
func TestTheReservedNameIsNotImported(t *testing.T) {
	p := newPair(t)
	p.inMirror(".space/status", "x")
	p.inMirror("a", "a")
	p.inMirror("d/.space", "only at the root")
	r, err := Import(t.Context(), p.store, p.dir, ImportOptions{})
	p.ok(err)
	if len(r.Failed) == 0 || r.Imported != 2 {
		t.Errorf("%+v", r)
	}
	for _, into := range []string{".space", ".space/x", "../x", "a/../b", "/x", "."} {
		if _, err := Import(t.Context(), p.store, p.dir, ImportOptions{Into: into}); err == nil {
			t.Errorf("into %s: it is imported", into)
		}
	}
	if r := p.bring(p.dir, ImportOptions{Into: "below"}); r.Imported != 3 {
		t.Errorf("%+v", r)
	}
}

// A directory may be closed to whom it belongs.
func TestAClosedDirectoryHasItsTimeToo(t *testing.T) {
	p := newPair(t)
	p.inSpace("d/a", "a")
	d, err := p.tree.Resolve("d")
	p.ok(err)
	closed, when := uint32(0), int64(1e18)
	_, err = p.tree.SetAttr(d.ID, spacedb.AttrChange{Mode: &closed, Mtime: &when})
	p.ok(err)
	out := filepath.Join(t.TempDir(), "out")
	p.export(out, ExportOptions{})
	info, err := os.Stat(filepath.Join(out, "d"))
	p.ok(err)
	p.ok(os.Chmod(filepath.Join(out, "d"), 0o700)) // so that it can be removed
	if info.ModTime().UnixNano() != when || info.Mode().Perm() != 0 {
		t.Errorf("%v %v", info.ModTime(), info.Mode())
	}
}
