package integration_test

import (
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Export, import into a new space, export again, as programs: identical trees
// and identical manifests, so identical documents. SPACEFS_EXCHANGE_FILES makes
// it large.
func TestAnExchangeOfManyFiles(t *testing.T) {
	b := newBench(t)
	makeExchangeTree(b, b.path("tree"), number("SPACEFS_EXCHANGE_FILES", 500))
	b.ok(os.Symlink("a00", b.path("tree", "link")))
	b.ok(os.WriteFile(b.path("tree", "\xff"), nil, 0o755))
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(b.bin, args...)
		cmd.Dir = b.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	run("init", "-q", "one.space", "--from", "tree")
	run("export", "-q", "one.space", "first", "--variant", "flat")
	run("init", "-q", "two.space")
	run("import", "-q", "two.space", "first")
	run("export", "-q", "two.space", "second", "--variant", "flat")
	run("export", "-q", "two.space", "third")
	for _, pair := range [][]string{{"first", "second"}, {"tree", "third"}} {
		out, err := exec.Command("diff", "-r", "--no-dereference", "-x", ".spacefs-manifest.jsonl", b.path(pair[0]), b.path(pair[1])).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %.500s", pair, out)
		}
	}
	if one, two := b.entries("first"), b.entries("second"); one != two {
		t.Error("the manifests differ")
	}
	for _, space := range []string{"one.space", "two.space"} {
		run("check", space)
	}
}

func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return otherwise
}

// makeExchangeTree makes files of 4 KiB that do not compress, ten in a directory.
func makeExchangeTree(b *bench, dir string, files int) {
	r := rand.New(rand.NewSource(1))
	text := make([]byte, 4096)
	for i := range files {
		in := filepath.Join(dir, fmt.Sprintf("a%02d/d%05d", i/5000, i/10))
		if i%10 == 0 {
			b.ok(os.MkdirAll(in, 0o755))
		}
		r.Read(text)
		b.ok(os.WriteFile(filepath.Join(in, fmt.Sprintf("f%d.md", i%10)), text, 0o644))
	}
}

// entries is a manifest without its first line, which names the space.
func (b *bench) entries(dir string) string {
	b.Helper()
	text, err := os.ReadFile(b.path(dir, ".spacefs-manifest.jsonl"))
	b.ok(err)
	_, entries, _ := strings.Cut(string(text), "\n")
	return entries
}
