package integration_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"spacefs/internal/seed"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// How many rounds the SIGKILL loops go; `make crash` sets more.
func crashRounds(t *testing.T) int {
	text := os.Getenv("SPACEFS_CRASH_ROUNDS")
	if text == "" {
		return 3
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal("SPACEFS_CRASH_ROUNDS: ", err)
	}
	return n
}

// seeded is the source of a test's randomness. What a kill interrupts depends on
// the machine too.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	return rand.New(rand.NewSource(seed.Of(t)))
}

// scatter fills a directory with files of many sizes.
func (b *bench) scatter(rng *rand.Rand, dir string, files int) {
	b.Helper()
	for i := range files {
		at := b.path(dir, fmt.Sprintf("%02d", i%17), fmt.Sprintf("%02d", i%5))
		b.ok(os.MkdirAll(at, 0o755))
		b.ok(os.WriteFile(filepath.Join(at, fmt.Sprintf("%04d.md", i)), someText(rng), 0o644))
	}
}

func someText(rng *rand.Rand) []byte {
	size := rng.Intn(6000)
	if rng.Intn(50) == 0 {
		size = rng.Intn(400_000)
	}
	text := make([]byte, size)
	rng.Read(text)
	return text
}

// killed runs a command and kills it after a part of the time that it would
// take; it may have been done by then.
func (b *bench) killed(after time.Duration, args ...string) (done bool) {
	b.Helper()
	cmd := b.command(args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	b.ok(cmd.Start())
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); err != nil && !ws.Signaled() {
		b.Fatalf("it ended by itself: %v\n%s", err, out.String())
	}
	return err == nil
}

func TestCrashOfAnImport(t *testing.T) {
	b := newBench(t)
	rng := seeded(t)
	b.scatter(rng, "docs", 2000)
	start := time.Now()
	b.done("init", "whole.space", "--from", "docs")
	usual := time.Since(start)
	interrupted := 0
	for round := range crashRounds(t) {
		space := fmt.Sprintf("%d.space", round)
		b.done("init", space)
		if !b.killed(time.Duration(rng.Int63n(int64(usual))), "import", space, "docs") {
			interrupted++
		}
		b.sound(space)
		b.done("import", "-q", space, "docs")
		b.sound(space)
		b.agree(space, "docs")
		b.sh("rm " + space)
	}
	b.Logf("%d of %d were interrupted", interrupted, crashRounds(t))
}

func TestCrashOfASync(t *testing.T) {
	b := newBench(t)
	rng := seeded(t)
	b.scatter(rng, "docs", 1500)
	b.done("init", "first.space", "--from", "docs")
	b.mkdir("first")
	b.done("sync", "first.space", "first")
	// A mirror's marker names its space, so both are copied together.
	b.editBoth(rng, "first.space", "first")
	b.restart("first.space", "first")
	start := time.Now()
	b.done("sync", "docs.space", "mirror")
	usual := time.Since(start)
	interrupted := 0
	for range crashRounds(t) {
		b.restart("first.space", "first")
		before := b.hashes("mirror")
		if !b.killed(time.Duration(rng.Int63n(int64(usual))), "sync", "docs.space", "mirror") {
			interrupted++
		}
		b.sound("docs.space")
		if r := b.run("sync", "docs.space", "mirror"); r.code != 0 {
			b.Fatalf("the next sync: %s", r)
		}
		b.agree("docs.space", "mirror")
		if r := b.run("sync", "docs.space", "mirror"); r.code != 0 || !strings.Contains(r.stderr, "nothing to do") {
			b.Fatalf("the sync after that: %s", r)
		}
		b.sh("! find mirror -name '.spacefs-tmp-*' | grep .")
		b.nothingVanished(before)
	}
	b.Logf("%d of %d were interrupted", interrupted, crashRounds(t))
}

// editBoth changes both sides: each by itself, and the same documents on both.
func (b *bench) editBoth(rng *rand.Rand, space, mirror string) {
	b.Helper()
	b.sh("cp -r " + mirror + " edited && rm -r edited/.spacefs")
	edit := func(dir string, from, to int) {
		for i := from; i < to; i++ {
			b.ok(os.WriteFile(b.path(dir, fmt.Sprintf("%02d/%02d/%04d.md", i%17, i%5, i)), someText(rng), 0o644))
		}
	}
	edit("edited", 0, 400)
	edit(mirror, 300, 700)
	b.scatter(rng, "edited/new", 100)
	b.scatter(rng, mirror+"/fresh", 100)
	b.done("import", "-q", space, "edited")
	b.sh("rm -r edited " + mirror + "/16/0[0-2]")
}

// restart puts space and mirror back to where the kills begin.
func (b *bench) restart(space, mirror string) {
	b.Helper()
	b.sh("rm -rf mirror docs.space* && cp " + space + " docs.space && cp -a " + mirror + " mirror")
}

// hashes of all files below a directory, by path.
func (b *bench) hashes(dir string) map[string][32]byte {
	b.Helper()
	found := map[string][32]byte{}
	b.ok(filepath.WalkDir(b.path(dir), func(at string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.Contains(at, "/.spacefs/") {
			return err
		}
		text, err := os.ReadFile(at)
		path, _ := filepath.Rel(b.path(dir), at)
		found[path] = sha256.Sum256(text)
		return err
	}))
	return found
}

// nothingVanished: what the mirror held is still there or in the history, and the
// space is sound, so that every content has the hash that it is listed with.
func (b *bench) nothingVanished(before map[string][32]byte) {
	b.Helper()
	b.sound("docs.space")
	past := map[string]bool{}
	for _, line := range strings.Split(b.done("sql", "--csv", "docs.space", "SELECT path, sha256 FROM revisions"), "\n") {
		past[line] = true
	}
	after := b.hashes("mirror")
	for path, sum := range before {
		if after[path] != sum && !past[fmt.Sprintf("%s,%x", path, sum)] {
			b.Errorf("%s: what the mirror had is gone", path)
		}
	}
}

// TestCrashOfAMount kills the daemon while programs write through it; again and
// again in one space, and a few times, as each round verifies all of it, in
// another one.
func TestCrashOfAMount(t *testing.T) {
	needFUSE(t)
	const inOneSpace = 20
	rng := seeded(t)
	for left := crashRounds(t); left > 0; left -= inOneSpace {
		t.Run(strconv.Itoa(left), func(t *testing.T) { killAMount(t, rng, min(left, inOneSpace)) })
	}
}

func killAMount(t *testing.T, rng *rand.Rand, rounds int) {
	b := newBench(t)
	b.done("init", "docs.space")
	b.mkdir("mnt")
	written := &promises{synced: map[string][]byte{}, saved: map[string][][]byte{}}
	for range rounds {
		b.mount("docs.space")
		var writers sync.WaitGroup
		for w := range 3 {
			rng := rand.New(rand.NewSource(rng.Int63()))
			writers.Add(1)
			go func() {
				defer writers.Done()
				written.keepWriting(b.path("mnt"), w, rng)
			}()
		}
		time.Sleep(time.Duration(50+rng.Intn(1200)) * time.Millisecond)
		b.killNow("docs.space")
		writers.Wait() // their next call fails
		b.mount("docs.space")
		written.verify(b)
		b.unmount()
		b.sound("docs.space")
	}
	b.Logf("%d kills: %d documents were synced %d times and saved %d times", rounds, len(written.synced), written.syncs, written.saves)
}

// promises is what programs may rely on after a crash.
type promises struct {
	mu     sync.Mutex
	synced map[string][]byte   // fsync returned: exactly this, or what was written after it
	saved  map[string][][]byte // every content that a rename put there without fsync
	later  sync.Map            // path to the content whose fsync had not returned
	syncs  int
	saves  int
}

// keepWriting ends with the mount. A document belongs to one writer.
func (p *promises) keepWriting(dir string, writer int, rng *rand.Rand) {
	for n := 0; ; n++ {
		path := filepath.Join(dir, fmt.Sprintf("w%d-%d", writer, rng.Intn(40)))
		text := someText(rng)
		var err error
		if n%3 == 0 {
			path += ".saved"
			err = p.save(path, text)
		} else {
			err = p.sync(path, text)
		}
		if err != nil {
			return
		}
	}
}

func (p *promises) sync(path string, text []byte) error {
	p.later.Store(path, text)
	f, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.synced[path] = text
	p.syncs++
	p.later.Delete(path)
	return nil
}

func (p *promises) save(path string, text []byte) error {
	p.mu.Lock()
	p.saved[path] = append(p.saved[path], text)
	p.saves++
	p.mu.Unlock()
	if err := os.WriteFile(path+".tmp", text, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

func (p *promises) verify(b *bench) {
	b.Helper()
	for path, want := range p.synced {
		got, err := os.ReadFile(path)
		if last, pending := p.later.Load(path); err == nil && pending && bytes.Equal(got, last.([]byte)) {
			p.synced[path] = got
			continue
		}
		if err != nil || !bytes.Equal(got, want) {
			b.Errorf("%s was synced with %d bytes and has %d (%v)", path, len(want), len(got), err)
		}
	}
	for path, texts := range p.saved {
		got, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // it was not durable yet, which nobody promised
		}
		whole := false
		for _, text := range texts {
			whole = whole || bytes.Equal(got, text)
		}
		if err != nil || !whole {
			b.Errorf("%s was saved %d times and holds none of that (%d bytes, %v)", path, len(texts), len(got), err)
		}
	}
	p.later.Clear()
}

func TestMountOverADeadMountHealsIt(t *testing.T) {
	needFUSE(t)
	b := newBench(t)
	b.done("init", "docs.space")
	for _, way := range []string{"mount", "unmount"} {
		b.mount("docs.space")
		b.ok(os.WriteFile(b.path("mnt", way), []byte("x"), 0o644))
		b.sh("sync -f mnt/" + way)
		b.killNow("docs.space")
		if way == "unmount" {
			if r := b.run("unmount", "mnt"); r.code != 0 || !strings.Contains(r.stderr, "was a dead mount") {
				b.Errorf("unmount of a dead mount: %s", r)
			}
		}
		b.mount("docs.space")
		if _, err := os.Stat(b.path("mnt", way)); err != nil {
			b.Error(err)
		}
		b.unmount()
	}
	if out, err := exec.Command("findmnt", "-n", b.path("mnt")).Output(); err == nil {
		b.Errorf("something is mounted still: %s", out)
	}
	b.sound("docs.space")
}
