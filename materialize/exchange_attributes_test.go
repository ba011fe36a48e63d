package materialize

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"spacefs/internal/attributes"
	"spacefs/materialize/fold"
	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// tagged is a tree with extended attributes of all kinds.
func tagged(t *testing.T) *pair {
	t.Helper()
	p := newPair(t)
	for _, name := range []string{"a", "d/b", "d/sub/c", "plain", "closed"} {
		p.inSpace(name, "text of "+name)
	}
	p.inSpace("link", "@a")
	p.attribute(true, "a", "user.tag", "one")
	p.attribute(true, "a", "user.empty", "-")
	p.attribute(true, "a", "user.100%=\xff", "\x00\xff=\n")
	p.attribute(true, "d/b", "user.tag", strings.Repeat("x", 3000))
	p.attribute(true, "d", "user.dir", "of a directory")
	p.attribute(true, "closed", "user.tag", "closed")
	p.chmod(true, "closed", 0o444)
	p.attribute(true, "plain", "trusted.theirs", "not exported")
	p.ok(p.store.Seal(context.Background()))
	return p
}

func TestAttributesAreExportedAndImported(t *testing.T) {
	for _, variant := range []fold.Variant{fold.ByPath, fold.Flat, fold.Hierarchical} {
		t.Run(string(variant), func(t *testing.T) {
			p, out := tagged(t), filepath.Join(t.TempDir(), "out")
			p.export(out, ExportOptions{Variant: variant, Metadata: true})
			if got, err := attributesAt(root(t, out), "a"); err != nil || len(got.Map()) != 3 {
				t.Errorf("%q, %v", got.Map(), err)
			}
			if text, err := os.ReadFile(filepath.Join(out, "a.meta.json")); err != nil || !strings.Contains(string(text), `"value": "one"`) {
				t.Errorf("%s, %v", text, err)
			}
			other := newPair(t)
			other.bring(out, ImportOptions{})
			if got, want := other.spaceTree(), p.spaceTree(); got != want {
				t.Errorf("it comes back as\n%s\ninstead of\n%s", got, want)
			}
			// Through what keeps no attributes: the manifest has them.
			bare := filepath.Join(t.TempDir(), "bare")
			if text, err := exec.Command("cp", "-r", "--preserve=mode,timestamps", out, bare).CombinedOutput(); err != nil {
				t.Skipf("cp: %v\n%s", err, text)
			}
			third := newPair(t)
			third.bring(bare, ImportOptions{})
			if got, want := third.spaceTree(), p.spaceTree(); got != want {
				t.Errorf("without its attributes it comes back as\n%s\ninstead of\n%s", got, want)
			}
		})
	}
}

func TestAnIncrementalExportFollowsAttributes(t *testing.T) {
	p, out := tagged(t), filepath.Join(t.TempDir(), "out")
	o := ExportOptions{Metadata: true, Incremental: true}
	p.export(out, o)
	at := func(path string) attributes.Set {
		t.Helper()
		set, err := attributesAt(root(t, out), path)
		p.ok(err)
		return set
	}
	if r := p.export(out, o); r.Run != 0 || r.Documents > 0 {
		t.Errorf("with nothing changed it did %+v", r)
	}
	setOut := &pair{T: t, dir: out}
	setOut.attribute(false, "a", "user.tag", "by hand")
	setOut.attribute(false, "a", "user.hand", "made")
	setOut.attribute(false, "plain", "user.hand", "too")
	p.attribute(true, "a", "user.tag", "in the space")
	p.attribute(true, "a", "user.empty", "")
	p.attribute(true, "d", "user.more", "1")
	p.attribute(true, "closed", "user.tag", "still closed")
	if r := p.export(out, o); r.Run == 0 || r.Documents > 3 { // their descriptions
		t.Errorf("%+v", r)
	}
	for path, want := range map[string]string{
		"a":      ` user.100%=` + "\xff" + `:base64:AP89Cg== user.hand:"made" user.tag:"by hand"`,
		"d":      ` user.dir:"of a directory" user.more:"1"`,
		"closed": ` user.tag:"still closed"`,
	} {
		if got := inWordsOf(at(path)); got != want {
			t.Errorf("%s has%s, not%s", path, got, want)
		}
	}
	// A document that is written anew keeps what was set by hand.
	p.inSpace("plain", "new text")
	p.attribute(true, "plain", "user.tag", "new")
	p.export(out, o)
	if got := inWordsOf(at("plain")); got != ` user.hand:"too" user.tag:"new"` {
		t.Errorf("plain has%s", got)
	}
	if r := p.export(out, o); r.Run != 0 {
		t.Errorf("with nothing changed it did %+v", r)
	}
	// Not asked for, they are nobody's business.
	o.Metadata = false
	p.export(out, o)
	if got := inWordsOf(at("closed")); got != ` user.tag:"still closed"` {
		t.Errorf("closed has%s", got)
	}
}

func TestAnImportBringsAttributesAndTakesNoneAway(t *testing.T) {
	source, p := t.TempDir(), newPair(t)
	on := &pair{T: t, dir: source}
	on.inMirror("a", "a")
	on.inMirror("d/b", "b")
	on.attribute(false, "a", "user.tag", "1")
	on.attribute(false, "d", "user.dir", "2")
	p.bring(source, ImportOptions{})
	if want := "a=a 644\nd/ 755\nd/b=b 644"; p.spaceTree() != want {
		t.Errorf("not asked for, there is\n%s", p.spaceTree())
	}
	with := ImportOptions{Metadata: true}
	p.bring(source, with)
	if want := `a=a 644 user.tag:"1"` + "\n" + `d/ 755 user.dir:"2"` + "\nd/b=b 644"; p.spaceTree() != want {
		t.Errorf("there is\n%s", p.spaceTree())
	}
	p.until("it is remembered", func() bool { // what changed a moment ago is not trusted
		r := p.bring(source, with)
		return r.Imported == 0
	})
	before := p.spaceTree()
	on.attribute(false, "a", "user.tag", "")
	on.attribute(false, "d/b", "user.new", "3")
	p.attribute(true, "a", "user.own", "the space's")
	r := p.bring(source, with)
	if want := `a=a 644 user.own:"the space's" user.tag:"1"` + "\n" + `d/ 755 user.dir:"2"` + "\n" + `d/b=b 644 user.new:"3"`; p.spaceTree() != want || r.Imported != 1 {
		t.Errorf("%+v\n%s", r, p.spaceTree())
	}
	p.undo(r.Run)
	if want := strings.Replace(before, "user.tag", `user.own:"the space's" user.tag`, 1); p.spaceTree() != want {
		t.Errorf("after undo there is\n%s", p.spaceTree())
	}
	on.attribute(false, "a", "user.own", "the source's")
	with.OnConflict = SkipIt
	p.bring(source, with)
	if !strings.Contains(p.spaceTree(), `user.own:"the space's"`) {
		t.Errorf("skip overwrote\n%s", p.spaceTree())
	}
	with.OnConflict = Overwrite
	on.inMirror("a", "a, edited")
	on.attribute(false, "a", "user.own", "the source's")
	r = p.bring(source, with)
	if !strings.Contains(p.spaceTree(), `a=a, edited 644 user.own:"the source's" user.tag:"1"`) {
		t.Errorf("there is\n%s", p.spaceTree())
	}
	p.undo(r.Run)
	if !strings.Contains(p.spaceTree(), `a=a 644 user.own:"the space's" user.tag:"1"`) {
		t.Errorf("after undo there is\n%s", p.spaceTree())
	}
}

// What an export has as it was exported is nothing new, also if the space has
// changed since.
func TestAnImportOfAnExportBringsTheAttributesThatWereEdited(t *testing.T) {
	p, out := tagged(t), filepath.Join(t.TempDir(), "out")
	p.export(out, ExportOptions{Metadata: true})
	p.attribute(true, "a", "user.tag", "changed in the space")
	p.attribute(true, "d", "user.dir", "")
	(&pair{T: t, dir: out}).attribute(false, "d/b", "user.new", "edited")
	p.bring(out, ImportOptions{})
	tree := p.spaceTree()
	for _, want := range []string{`user.tag:"changed in the space"`, "d/ 755\n", `user.new:"edited"`} {
		if !strings.Contains(tree, want) {
			t.Errorf("there is no %s in\n%s", want, tree)
		}
	}
}

func TestAttributesGoThroughTar(t *testing.T) {
	p := tagged(t)
	var stream bytes.Buffer
	_, err := ExportTar(context.Background(), p.store, &stream, ExportOptions{Metadata: true})
	p.ok(err)
	other := newPair(t)
	_, err = ImportTar(context.Background(), other.store, bytes.NewReader(stream.Bytes()), ImportOptions{})
	p.ok(err)
	if got, want := other.spaceTree(), p.spaceTree(); got != want {
		t.Errorf("it comes back as\n%s\ninstead of\n%s", got, want)
	}
	third := newPair(t) // the records themselves, without the manifest
	_, err = ImportTar(context.Background(), third.store, bytes.NewReader(stream.Bytes()), ImportOptions{Metadata: true, NoManifest: true, Exclude: []string{"*.meta.json"}})
	p.ok(err)
	if got, want := third.spaceTree(), p.spaceTree(); got != want {
		t.Errorf("by its records it comes back as\n%s\ninstead of\n%s", got, want)
	}
}

// GNU tar reads ours, and we read its.
func TestAttributesAndGNUTar(t *testing.T) {
	if out, err := exec.Command("tar", "--version").Output(); err != nil || !strings.Contains(string(out), "GNU tar") {
		t.Skip("there is no GNU tar here")
	}
	p, dir := tagged(t), t.TempDir()
	var stream bytes.Buffer
	_, err := ExportTar(context.Background(), p.store, &stream, ExportOptions{Metadata: true, Exclude: []string{"*.meta.json"}})
	p.ok(err)
	unpack := exec.Command("tar", "--xattrs", "--xattrs-include=user.*", "-xpf", "-", "--exclude", manifest.Name, "--exclude", "*.meta.json")
	unpack.Dir, unpack.Stdin = dir, &stream
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	unpacked := &pair{T: t, dir: dir}
	if got, want := unpacked.mirrorTree(), p.spaceTree(); got != want {
		t.Errorf("tar makes of it\n%s\ninstead of\n%s", got, want)
	}
	pack := exec.Command("tar", "--xattrs", "--xattrs-include=user.*", "--format=pax", "-cf", "-", ".")
	pack.Dir = dir
	packed, err := pack.Output()
	p.ok(err)
	other := newPair(t)
	_, err = ImportTar(context.Background(), other.store, bytes.NewReader(packed), ImportOptions{Metadata: true})
	p.ok(err)
	if got, want := other.spaceTree(), p.spaceTree(); got != want {
		t.Errorf("of tar's stream comes\n%s\ninstead of\n%s", got, want)
	}
}

// A file that a hostile stream or manifest describes gets no attribute that is
// not a user's.
func TestOnlyAttributesOfUsersAreBelieved(t *testing.T) {
	set, err := attributesOfPAX(map[string]string{"SCHILY.xattr.user.a": "1", "SCHILY.xattr.security.capability": "x", "SCHILY.xattr.trusted.x": "x", "path": "p", "SCHILY.xattr.": ""})
	if err != nil || set != attributes.Of(map[string]string{"user.a": "1"}) {
		t.Errorf("%q, %v", set.Map(), err)
	}
	if _, err := attributesOfPAX(map[string]string{"SCHILY.xattr.user." + strings.Repeat("a", 300): "1"}); err == nil {
		t.Error("a name that no file can have is accepted")
	}
	p, dir := newPair(t), t.TempDir()
	m := manifest.Manifest{Header: manifest.Header{Space: "s", Variant: "by_path", Metadata: true}, Entries: []manifest.Entry{
		{Kind: manifest.Document, Path: "a", Name: "a", Mode: 0o644, Size: 1, SHA256: hashOf([]byte("a")), Attributes: attributes.Of(map[string]string{
			spacedb.AccessACL: "an ACL", "trusted.x": "x", "user.fine": "1",
		})},
	}}
	p.ok(os.WriteFile(filepath.Join(dir, manifest.Name), m.Append(nil), 0o644))
	p.ok(os.WriteFile(filepath.Join(dir, "a"), []byte("a"), 0o644))
	p.bring(dir, ImportOptions{})
	a, err := p.tree.Resolve("a")
	p.ok(err)
	if names, err := p.tree.ListXattr(a.ID); err != nil || len(names) != 1 || names[0] != "user.fine" {
		t.Errorf("it has %q, %v", names, err)
	}
}
