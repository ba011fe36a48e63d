package integration_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// An export to a tar stream is killed: what came of it is no archive for tar, and
// an import says that it is cut off.
func TestCrashOfAnExportToTar(t *testing.T) {
	needProgram(t, "tar")
	b := newBench(t)
	rng := seeded(t)
	b.scatter(rng, "docs", exchanged)
	for i := range exchanged { // most files end where a block does, and there a stream may not
		text := make([]byte, i%9*512)
		rng.Read(text)
		b.ok(os.WriteFile(b.path("docs", "00", "00", fmt.Sprint("full-", i)), text, 0o644))
	}
	b.done("init", "docs.space", "--from", "docs")
	start := time.Now()
	b.sh(b.bin + " export -q docs.space - > whole.tar && tar tf whole.tar")
	usual := time.Since(start)
	whole, err := os.ReadFile(b.path("whole.tar"))
	b.ok(err)
	for page := 1; page <= 200; page++ { // a write that is killed may end with any
		b.ok(os.WriteFile(b.path("cut.tar"), whole[:page*4096], 0o644))
		if out, err := b.tar("cut.tar"); err == nil {
			b.Fatalf("tar takes %d pages for whole: %.300s", page, out)
		}
	}
	interrupted := 0
	for range crashRounds(t) {
		b.ok(os.WriteFile(b.path("cut.tar"), nil, 0o644)) // the shell may be killed before it makes it
		if b.killedStream(time.Duration(rng.Int63n(int64(usual))), "exec "+b.bin+" export docs.space - > cut.tar") {
			continue
		}
		interrupted++
		if text, err := os.ReadFile(b.path("cut.tar")); err == nil && bytes.HasSuffix(text, make([]byte, 1024)) {
			b.Log("it was killed when the stream was whole")
			continue
		}
		b.refused("cut.tar")
	}
	b.Logf("%d of %d were interrupted", interrupted, crashRounds(t))
}

// refused: a stream passes for whole neither with tar nor with us.
func (b *bench) refused(stream string) {
	b.Helper()
	info, err := os.Stat(b.path(stream))
	b.ok(err)
	if info.Size() > 0 { // nothing is an empty archive for GNU tar
		if out, err := b.tar(stream); err == nil {
			b.Errorf("tar takes %d bytes for whole: %.300s", info.Size(), out)
		}
	}
	b.sh("rm -f other.space")
	b.done("init", "-q", "other.space")
	if out, err := b.fed(stream, "import", "other.space", "-"); err == nil {
		b.Errorf("an import takes %d bytes for whole: %s", info.Size(), out)
	} else if !strings.Contains(out, "cut off") && !strings.Contains(out, "no tar stream") && !strings.Contains(out, "truncated") {
		b.Errorf("an import says of it: %s", out)
	}
	b.sound("other.space")
}

// tar lists a stream; it is an error if it is not whole.
func (b *bench) tar(stream string) (string, error) {
	b.Helper()
	out, err := exec.Command("tar", "tf", b.path(stream)).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
	return string(out), err
}

// fed runs a command with a file as its stdin.
func (b *bench) fed(from string, args ...string) (string, error) {
	b.Helper()
	in, err := os.Open(b.path(from))
	b.ok(err)
	defer in.Close()
	cmd := b.command(args...)
	cmd.Stdin = in
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// killedStream is killed for a shell's command, which execs ours.
func (b *bench) killedStream(after time.Duration, script string) (done bool) {
	b.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = b.dir
	b.ok(cmd.Start())
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	return cmd.Wait() == nil
}

// An import of a tar stream is killed: the space is sound, holds nothing that the
// stream has not, and the next import finishes.
func TestCrashOfAnImportFromTar(t *testing.T) {
	needProgram(t, "tar")
	b := newBench(t)
	rng := seeded(t)
	b.scatter(rng, "docs", exchanged)
	b.done("init", "docs.space", "--from", "docs")
	b.sh(b.bin + " export -q docs.space - > ours.tar && tar cf theirs.tar -C docs .")
	for _, archive := range []string{"ours.tar", "theirs.tar"} {
		b.crashOfAnImportFromTar(rng, archive)
	}
}

func (b *bench) crashOfAnImportFromTar(rng *rand.Rand, archive string) {
	b.Helper()
	whole := b.hashes("docs")
	restart := func() { b.sh("rm -rf got.space* half"); b.done("init", "-q", "got.space") }
	restart()
	start := time.Now()
	if out, err := b.fed(archive, "import", "got.space", "-"); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	usual := time.Since(start)
	interrupted := 0
	for range crashRounds(b.T) {
		restart()
		if !b.killedStream(time.Duration(rng.Int63n(int64(usual))), "exec "+b.bin+" import got.space - < "+archive) {
			interrupted++
		}
		b.sound("got.space")
		for path, sum := range b.exported("got.space", "half") {
			if whole[path] != sum {
				b.Errorf("%s is not what the stream has", path)
			}
		}
		if out, err := b.fed(archive, "import", "got.space", "-"); err != nil {
			b.Errorf("again: %v: %s", err, out)
		}
		b.sound("got.space")
		b.agree("got.space", "docs")
		if archive == "ours.tar" && !slices.Equal(b.ids("got.space"), b.ids("docs.space")) {
			b.Error("the documents have other ids")
		}
	}
	b.Logf("%s: %d of %d were interrupted", archive, interrupted, crashRounds(b.T))
}

func (b *bench) ids(space string) []string {
	b.Helper()
	return strings.Split(b.done("sql", "--csv", space, "SELECT path, id FROM documents ORDER BY path"), "\n")
}
