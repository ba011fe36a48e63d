package manifest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"spacefs/internal/attributes"
)

func sample() *Manifest {
	return &Manifest{
		Header: Header{Format: Format, Space: "0193", Variant: "flat", Seq: 7, Exclude: []string{"*.tmp"}},
		Entries: []Entry{
			{Kind: Directory, Path: "a", Mode: 0o755, Mtime: -1, Attributes: attributes.Of(map[string]string{"user.tag": "", "user.\xff": "\x00"})},
			{Kind: Document, Path: "a/b.md", Name: "a__b.md", Mode: 0o644, Mtime: 12, Size: 3, SHA256: [32]byte{1}, ID: "01930000-0000-7000-8000-000000000001", Revision: 2},
			{Kind: Symlink, Path: "l\xff", Name: "l\xff", Mode: 0o777, Target: "a/\"b\"<é>\n"},
			{Kind: Document, Path: "ü \"", Name: "ü \"", Size: 0},
			{Kind: Metadata, Path: "a/b.md", Name: "a__b.md.meta.json", Size: 9, SHA256: [32]byte{2}},
			{Kind: Document, Path: "plainly", Name: "plainly", Attributes: attributes.Of(map[string]string{"user.a": "", "user.b": "b"})},
			{Kind: Document, Path: "tagged", Name: "tagged", Attributes: attributes.Of(map[string]string{"user.tag": "<é>"})},
			{Kind: Contents, Path: "", Name: "index.md", Size: 9},
		},
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	want := sample()
	got, err := Read(string(want.Append(nil)))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nis read as\n%+v", want, got)
	}
	if err := got.Check(); err != nil {
		t.Error(err)
	}
}

func TestEveryTruncationIsFound(t *testing.T) {
	text := string(sample().Append(nil))
	for i := range len(text) {
		if m, err := Read(text[:i]); err == nil {
			t.Fatalf("cut at byte %d of %d it has %d entries", i, len(text), len(m.Entries))
		}
	}
}

func TestBadManifestsAreRefused(t *testing.T) {
	const head = `{"spacefs_manifest":1,"space":"x","variant":"flat","seq":1}` + "\n"
	end := func(n int) string { return fmt.Sprintf(`{"end":true,"entries":%d}`+"\n", n) }
	doc := func(path, more string) string {
		return fmt.Sprintf(`{"kind":"document","path":%q,"mode":"644","mtime":0,"size":0,"sha256":"%064d"%s}`+"\n", path, 0, more)
	}
	id := `,"id":"01930000-0000-7000-8000-000000000001"`
	for _, c := range []struct {
		what, text string
		want       error
	}{
		{"empty", "", ErrTruncated},
		{"another file", "hello\nworld\n", ErrInvalid},
		{"JSON of something else", "{\"a\":1}\n", ErrInvalid},
		{"newer", `{"spacefs_manifest":2,"space":"x"}` + "\n", ErrNewer},
		{"no end", head + doc("a", ""), ErrTruncated},
		{"a line missing", head + doc("a", "") + end(2), ErrInvalid},
		{"more after the end", head + end(0) + doc("a", ""), ErrInvalid},
		{"upwards", head + doc("../a", "") + end(1), ErrInvalid},
		{"upwards within", head + doc("a/../../b", "") + end(1), ErrInvalid},
		{"absolute", head + doc("/etc/passwd", "") + end(1), ErrInvalid},
		{"a name upwards", head + doc("a", `,"name":"../a"`) + end(1), ErrInvalid},
		{"a name absolute", head + doc("a", `,"name":"/a"`) + end(1), ErrInvalid},
		{"no name", head + doc("a", `,"name":""`) + end(1), ErrInvalid},
		{"NUL", head + doc("a", `,"name_base64":"YQBi"`) + end(1), ErrInvalid},
		{"bad base64", head + doc("a", `,"name_base64":"!"`) + end(1), ErrInvalid},
		{"its own name", head + doc("a", `,"name":"`+Name+`"`) + end(1), ErrInvalid},
		{"unknown field", head + doc("a", `,"owner":1`) + end(1), ErrInvalid},
		{"unknown kind", head + `{"kind":"device","path":"a","mode":"644","mtime":0}` + "\n" + end(1), ErrInvalid},
		{"a type in the mode", head + `{"kind":"directory","path":"a","mode":"100644","mtime":0}` + "\n" + end(1), ErrInvalid},
		{"a short hash", head + `{"kind":"document","path":"a","mode":"644","mtime":0,"size":0,"sha256":"00"}` + "\n" + end(1), ErrInvalid},
		{"a long hash", head + doc("a", "") + strings.Replace(doc("b", ""), `"sha256":"`, `"sha256":"0`, 1) + end(2), ErrInvalid},
		{"an attribute twice", head + doc("a", `,"attributes":[{"name":"user.a","value":""},{"name":"user.a","value":"1"}]`) + end(1), ErrInvalid},
		{"an attribute without a name", head + doc("a", `,"attributes":[{"value":""}]`) + end(1), ErrInvalid},
		{"too many bytes of attributes", head + doc("a", `,"attributes":[{"name":"user.a","value":"`+strings.Repeat("x", MaxAttributes)+`"}]`) + end(1), ErrInvalid},
		{"attributes of a symlink", head + `{"kind":"symlink","path":"a","mode":"777","mtime":0,"target":"b","attributes":[{"name":"user.a","value":""}]}` + "\n" + end(1), ErrInvalid},
		{"a negative size", head + `{"kind":"document","path":"a","mode":"644","mtime":0,"size":-1}` + "\n" + end(1), ErrInvalid},
		{"no id", head + doc("a", `,"id":"1"`) + end(1), ErrInvalid},
		{"path twice", head + doc("a", `,"name":"b"`) + doc("a", `,"name":"c"`) + end(2), ErrInvalid},
		{"name twice", head + doc("a", `,"name":"c"`) + doc("b", `,"name":"c"`) + end(2), ErrInvalid},
		{"id twice", head + doc("a", id) + doc("b", id) + end(2), ErrInvalid},
		{"below a document", head + doc("a", "") + doc("a/b", "") + end(2), ErrInvalid},
		{"too long a line", head + doc(strings.Repeat("a/", 100<<10)+"a", "") + end(1), ErrInvalid},
	} {
		m, err := Read(c.text)
		if err == nil {
			err = m.Check()
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func TestALineThatAPersonWroteIsRead(t *testing.T) {
	text := `{"spacefs_manifest":1, "space":"x", "variant":"flat"}` + "\n" +
		`{ "path": "a", "kind": "directory", "mtime": 1, "mode": "0755" }` + "\n" + `{"end":true,"entries":1}` + "\n"
	m, err := Read(text)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Entry{Kind: Directory, Path: "a", Name: "a", Mode: 0o755, Mtime: 1}); m.Entries[0] != want {
		t.Errorf("%+v", m.Entries[0])
	}
}

// Whatever comes, Read does not crash; what it accepts, it writes and reads
// again as the same; and the fast way never says other than the slow one.
func FuzzRead(f *testing.F) {
	f.Add(string(sample().Append(nil)))
	f.Add(`{"spacefs_manifest":1,"space":"x"}` + "\n" + `{"end":true,"entries":0}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, line := range strings.Split(text, "\n") {
			var fast, slow Entry
			if fast.readPlain(line) && len(line) <= maxLine {
				if err := slow.readAny(line); err != nil || fast != slow {
					t.Fatalf("%q is read as %+v and as %+v, %v", line, fast, slow, err)
				}
			}
		}
		m, err := Read(text)
		if err != nil {
			return
		}
		_ = m.Check()
		written := string(m.Append(nil))
		again, err := Read(written)
		if err != nil {
			t.Fatal(err)
		}
		if twice := string(again.Append(nil)); twice != written {
			t.Fatalf("%s is written, read, and written as %s", written, twice)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	m := &Manifest{Header: sample().Header}
	for i := range 100000 {
		e := sample().Entries[1]
		e.Path, e.Name = fmt.Sprintf("d%05d/f%d", i/10, i%10), fmt.Sprintf("d%05d__f%d", i/10, i%10)
		m.Entries = append(m.Entries, e)
	}
	text := string(m.Append(nil))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Read(text); err != nil {
			b.Fatal(err)
		}
	}
}

// Parts that are read at the same time are one manifest, and the first line that is
// wrong is told, whatever is wrong after it.
func TestALargeManifestIsReadInParts(t *testing.T) {
	m := &Manifest{Header: sample().Header}
	for i := range 60000 {
		e := sample().Entries[1]
		e.Path = fmt.Sprintf("d%05d/f%d", i/10, i%10)
		e.Name = e.Path
		m.Entries = append(m.Entries, e)
	}
	text := string(m.Append(nil))
	if got, err := Read(text); err != nil || !reflect.DeepEqual(got, m) {
		t.Fatalf("another manifest, %v", err)
	}
	lines := strings.SplitAfter(text, "\n")
	for _, wrong := range []int{2, 700, 30001, 60001} {
		bad := append([]string{}, lines...)
		bad[wrong-1], bad[60000] = "\n", "{}\n"
		if _, err := Read(strings.Join(bad, "")); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("line %d:", min(wrong, 60001))) {
			t.Errorf("line %d is wrong: %v", wrong, err)
		}
	}
	if _, err := Read(lines[0] + strings.Repeat("\n", 4<<20) + lines[len(lines)-2]); err == nil {
		t.Error("empty lines are entries")
	}
}
