package integration_test

import (
	"fmt"
	"math/rand"
	"os"
	"testing"
	"time"

	"spacefs/spacedb"
)

// exchanged is how many files go back and forth here.
const exchanged = 600

// An export is killed on its way to a new directory, to an empty one, and while it
// brings an older one up to date. A new directory is there when it is complete;
// the next export finishes the others, and nothing stays of the killed one.
func TestCrashOfAnExport(t *testing.T) {
	b := newBench(t)
	rng := seeded(t)
	b.scatter(rng, "docs", exchanged)
	b.done("init", "docs.space", "--from", "docs")
	b.done("export", "-q", "docs.space", "older")
	b.mkdir("mirror")
	b.done("sync", "-q", "docs.space", "mirror")
	b.rewrite(rng, "mirror")
	b.sh("rm -r mirror/16/0[0-2]")
	b.done("sync", "-q", "docs.space", "mirror")
	b.crashOfAnExport(rng, "true")
	b.crashOfAnExport(rng, "mkdir out")
	b.crashOfAnExport(rng, "cp -a older out && echo mine > out/mine && echo edited >> out/01/01/0001.md")
	b.sound("docs.space")
}

// crashOfAnExport kills exports to what prepare makes of the directory out.
func (b *bench) crashOfAnExport(rng *rand.Rand, prepare string) {
	b.Helper()
	restart := func() { b.sh("rm -rf out out.spacefs-new && " + prepare) }
	const agree = "diff -r --no-dereference -x .spacefs-manifest.jsonl out whole"
	restart()
	start := time.Now()
	b.done("export", "-q", "--incremental", "docs.space", "out")
	usual := time.Since(start)
	b.sh("rm -rf whole && cp -a out whole")
	interrupted := 0
	for range crashRounds(b.T) {
		restart()
		if !b.killed(time.Duration(rng.Int63n(int64(usual))), "export", "--incremental", "docs.space", "out") {
			interrupted++
		}
		if _, err := os.Stat(b.path("out")); err == nil && prepare == "true" {
			b.sh(agree)
		}
		b.done("export", "-q", "--incremental", "docs.space", "out")
		b.sh(agree)
		if b.entries("out") != b.entries("whole") {
			b.Error("the manifest is another")
		}
		b.sh("! ls -d out.spacefs-new out/.spacefs-staged out/.spacefs-manifest.next 2>/dev/null | grep .")
	}
	b.Logf("after %q %d of %d were interrupted", prepare, interrupted, crashRounds(b.T))
}

// rewrite changes a third of what scatter made, and adds to it.
func (b *bench) rewrite(rng *rand.Rand, dir string) {
	b.Helper()
	for i := 0; i < exchanged; i += 3 {
		b.ok(os.WriteFile(b.path(dir, fmt.Sprintf("%02d/%02d/%04d.md", i%17, i%5, i)), someText(rng), 0o644))
	}
	b.scatter(rng, dir+"/new", exchanged/8)
}

// An import over what is there is killed: each path holds what it held or what it
// was to hold, the next import finishes, and what it replaced is in history.
func TestCrashOfAnImportOverWhatIsThere(t *testing.T) {
	b := newBench(t)
	rng := seeded(t)
	b.scatter(rng, "docs", exchanged)
	b.done("init", "first.space", "--from", "docs")
	before := b.hashes("docs")
	b.rewrite(rng, "docs")
	after := b.hashes("docs")
	restart := func() { b.sh("rm -rf docs.space* half && cp first.space docs.space") }
	again := []string{"import", "--on-conflict", "overwrite", "docs.space", "docs"}
	restart()
	start := time.Now()
	b.done(again...)
	usual := time.Since(start)
	interrupted := 0
	for range crashRounds(t) {
		restart()
		if !b.killed(time.Duration(rng.Int63n(int64(usual))), again...) {
			interrupted++
		}
		b.sound("docs.space")
		half := b.exported("docs.space", "half")
		for path, sum := range half {
			if sum != before[path] && sum != after[path] {
				t.Errorf("%s holds neither the old nor the new", path)
			}
		}
		for path := range before {
			if _, there := half[path]; !there {
				t.Errorf("%s is not there", path)
			}
		}
		b.done(again...)
		b.sound("docs.space")
		b.agree("docs.space", "docs")
		b.keeps("docs.space", before)
	}
	b.Logf("%d of %d were interrupted", interrupted, crashRounds(t))
}

// exported is what a space holds, by an export to a new directory.
func (b *bench) exported(space, dir string) map[string][32]byte {
	b.Helper()
	b.done("export", "-q", space, dir)
	held := b.hashes(dir)
	delete(held, ".spacefs-manifest.jsonl")
	return held
}

// keeps: all of that is in the space's history.
func (b *bench) keeps(space string, contents map[string][32]byte) {
	b.Helper()
	store, err := spacedb.Open(b.path(space), spacedb.Options{})
	b.ok(err)
	defer store.Close()
	for path, sum := range contents {
		if have, err := store.HasContent(sum); err != nil || !have {
			b.Errorf("%s: what it held is gone (%v)", path, err)
		}
	}
}
