package materialize

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// stream makes a tar stream of headers; what a name says is its content too.
func tarOf(t testing.TB, headers ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		text := ""
		if h.Typeflag == tar.TypeReg {
			text = h.Name
			h.Size, h.Mode = int64(len(text)), 0o644
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func reg(name string) *tar.Header { return &tar.Header{Typeflag: tar.TypeReg, Name: name} }

func TestAHostileTarStream(t *testing.T) {
	p := newPair(t)
	long := strings.Repeat("n", spacedb.MaxName+1)
	text := tarOf(t,
		reg("good"), reg("../up"), reg("/absolute"), reg("a/../../up"), reg("a//b"), reg("."),
		&tar.Header{Typeflag: tar.TypeBlock, Name: "disk"}, &tar.Header{Typeflag: tar.TypeFifo, Name: "pipe"},
		&tar.Header{Typeflag: tar.TypeSymlink, Name: "way-out", Linkname: "/etc"}, reg("way-out/passwd"),
		&tar.Header{Typeflag: tar.TypeLink, Name: "linked", Linkname: "good"}, &tar.Header{Typeflag: tar.TypeLink, Name: "stolen", Linkname: "../../etc/passwd"},
		&tar.Header{Typeflag: tar.TypeLink, Name: "dangling", Linkname: "nothing"},
		reg("good/below a document"), reg(".spacefs/id"), reg("late/good"), reg(long),
	)
	r, err := ImportTar(context.Background(), p.store, bytes.NewReader(text), ImportOptions{})
	p.ok(err)
	upwards, above := "it is no path below the top", "the space has no directory above it"
	want := map[string]string{
		"../up": upwards, "/absolute": upwards, "a/../../up": upwards, "a//b": upwards, "stolen": "it leads out of the tree",
		"dangling": "it is a link to nothing", "good/below a document": above, "way-out/passwd": above, long: "longer than 255 bytes",
	}
	for _, f := range r.Failed {
		if text, expected := want[f.Path]; !expected || !strings.Contains(f.Cause, text) {
			t.Errorf("%s failed: %s", f.Path, f.Cause)
		}
		delete(want, f.Path)
	}
	if len(want) > 0 {
		t.Errorf("not failed: %v", want)
	}
	if len(r.Notices) != 2 {
		t.Errorf("notices %q", r.Notices)
	}
	if got, want := p.spaceTree(), "good=good 644\nlate/ 755\nlate/good=late/good 644\nlinked=good 0\nway-out@/etc"; strings.TrimSpace(got) != want {
		t.Errorf("the space is\n%s\nwant\n%s", got, want)
	}
}

// Of a stream that is cut off anywhere what came is kept, and it is told; the
// whole stream brings the rest.
func TestATarStreamThatIsCutOff(t *testing.T) {
	p := newPair(t)
	whole := tarOf(t, reg("a"), reg("b"), reg("c"))
	for _, size := range []int{0, 100, 512, 513, 600, 1024, 1025, 2100, len(whole) - 512} {
		if _, err := ImportTar(context.Background(), p.store, bytes.NewReader(whole[:size]), ImportOptions{}); err == nil {
			t.Errorf("cut off after %d bytes: no error", size)
		}
	}
	r, err := ImportTar(context.Background(), p.store, bytes.NewReader(whole), ImportOptions{})
	p.ok(err)
	if r.Imported+r.Unchanged != 3 || r.Unchanged == 0 {
		t.Errorf("%+v", r)
	}
}

// A few bytes that say they are a terabyte.
func TestATarBomb(t *testing.T) {
	p := newPair(t)
	text := append(sparse("bomb", 1<<40), tarOf(t, reg("good"))...)
	start := time.Now()
	r, err := ImportTar(context.Background(), p.store, bytes.NewReader(text), ImportOptions{})
	p.ok(err)
	if len(r.Failed) != 1 || !strings.Contains(r.Failed[0].Cause, "holes") || p.read("good") != "good" {
		t.Errorf("%+v", r)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	if used := p.store.Usage().Bytes; used > 1<<20 {
		t.Errorf("the space holds %d bytes", used)
	}
}

// sparse is a GNU sparse file of nothing but a hole, in the old format.
func sparse(name string, size int64) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x0000000000000\x0000000000000\x00")
	b[156] = 'S'
	copy(b[257:], "ustar  \x00")
	number := func(at []byte, n int64) { // base 256
		at[0] = 0x80
		for i := len(at) - 1; i > 0 && n > 0; i-- {
			at[i] = byte(n)
			n >>= 8
		}
	}
	number(b[386:398], size) // one fragment, at the end, of nothing
	copy(b[398:], "00000000000\x00")
	number(b[483:495], size)
	sum := 8 * int(' ')
	for i, c := range b {
		if i < 148 || i >= 156 {
			sum += int(c)
		}
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// Whatever comes, an import does not crash, and the space stays sound.
func FuzzImportTar(f *testing.F) {
	f.Add(tarOf(f, reg("a"), &tar.Header{Typeflag: tar.TypeDir, Name: "d/", Mode: 0o755}, reg("d/b"), &tar.Header{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "a"}))
	f.Add(tarOf(f, reg("../a"), &tar.Header{Typeflag: tar.TypeLink, Name: "l", Linkname: "a"}, reg("\xff")))
	f.Add(sparse("hollow", 1<<12)) // the real one takes a second each time
	f.Add(tarOf(f, reg(manifest.Name), reg("a")))
	f.Add(tarOf(f, &tar.Header{Typeflag: tar.TypeReg, Name: "a", PAXRecords: map[string]string{"SCHILY.xattr.user.a": "\x00", "SCHILY.xattr.user.%3D": ""}}))
	dir, err := os.MkdirTemp(inMemory(), "fuzz-")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(dir) })
	store, err := spacedb.Create(filepath.Join(dir, "fuzz.space"), spacedb.Options{Quiet: time.Hour, Delay: time.Hour})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		findings, err := store.Check(context.Background())
		if err != nil || len(findings) > 0 {
			f.Error(err, findings)
		}
		if err := store.Close(); err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ImportTar(context.Background(), store, bytes.NewReader(text), ImportOptions{Metadata: true})
		if err == nil && len(text) == 0 {
			t.Errorf("nothing is a stream: %+v", r)
		}
	})
}

// inMemory is a directory whose syncs cost nothing, where there is one.
func inMemory() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// tar -r puts the newer of two at the end.
func TestOfTwoInATarStreamTheLaterOneCounts(t *testing.T) {
	p := newPair(t)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, text := range []string{"older", "newer", "newest"} {
		p.ok(w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: int64(len(text)), Mode: 0o644}))
		_, err := io.WriteString(w, text)
		p.ok(err)
	}
	p.ok(w.Close())
	r, err := ImportTar(context.Background(), p.store, bytes.NewReader(b.Bytes()), ImportOptions{})
	p.ok(err)
	if len(r.Failed) != 0 {
		t.Errorf("failed %v", r.Failed)
	}
	if got := strings.TrimSpace(p.spaceTree()); got != "a=newest 644" {
		t.Errorf("the space has %q", got)
	}
}

func TestACompressedTarStreamIsNamedSo(t *testing.T) {
	p := newPair(t)
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(tarOf(t, reg("a")))
	p.ok(errors.Join(err, w.Close()))
	if _, err := ImportTar(context.Background(), p.store, &b, ImportOptions{}); err == nil || !strings.Contains(err.Error(), "gzip -dc") {
		t.Error(err)
	}
}
