package materialize

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"spacefs/internal/seed"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestWhatIsIgnoredIsLeftAloneOnBothSides(t *testing.T) {
	p := newPair(t)
	p.inSpace(".spacefsignore", "*.log\n/build/\n!keep.log\n")
	p.inSpace("space.log", "stays here")
	p.inSpace("build/out", "stays here")
	p.inSpace("sub/keep.log", "travels")
	p.inMirror("mirror.log", "stays there")
	p.inMirror("sub/.spacefsignore", "secret*\n")
	p.inMirror("sub/secret.md", "stays there")
	p.inMirror("sub/build/out", "travels")
	p.sync(SyncOptions{})
	for path, want := range map[string][2]bool{ // in the space, in the mirror
		"space.log": {true, false}, "build": {true, false}, "mirror.log": {false, true}, "sub/secret.md": {false, true},
		"sub/keep.log": {true, true}, "sub/build/out": {true, true}, ".spacefsignore": {true, true}, "sub/.spacefsignore": {true, true},
	} {
		_, err := p.tree.Resolve(path)
		_, missing := os.Lstat(filepath.Join(p.dir, path))
		if got := [2]bool{err == nil, missing == nil}; got != want {
			t.Errorf("%s is in the space, in the mirror: %v, want %v", path, got, want)
		}
	}
	if r := p.sync(SyncOptions{}); r.Run != 0 {
		t.Errorf("a second sync does something: %+v", r.Plan)
	}
}

func TestIgnoringWhatWasSyncedDeletesNothingAndNeitherDoesUnignoring(t *testing.T) {
	for _, side := range []string{"space", "mirror"} {
		t.Run(side, func(t *testing.T) {
			p := newPair(t)
			rules := func(text string) {
				if side == "space" {
					p.inSpace(".spacefsignore", text)
				} else {
					p.inMirror(".spacefsignore", text)
				}
			}
			for _, name := range []string{"a.log", "b.log", "c.log", "d/e.log", "d/f"} {
				p.inSpace(name, "text of "+name)
			}
			p.sync(SyncOptions{})
			rules("*.log\nd/\n")
			p.sync(SyncOptions{})
			// Ignored, both sides go their own ways.
			p.inSpace("a.log", "")
			p.inMirror("b.log", "")
			p.inSpace("c.log", "the space's")
			p.inMirror("c.log", "the mirror's, and newer")
			later := time.Now().Add(time.Hour)
			p.ok(os.Chtimes(filepath.Join(p.dir, "c.log"), later, later))
			p.inMirror("d", "")
			if r := p.sync(SyncOptions{}); r.Run != 0 {
				t.Errorf("it does something: %+v", r.Plan)
			}
			rules("# nothing\n")
			p.sync(SyncOptions{})
			p.agree()
			for path, text := range map[string]string{
				"a.log": "text of a.log", "b.log": "text of b.log", "c.log": "the mirror's, and newer", "d/e.log": "text of d/e.log", "d/f": "text of d/f",
			} {
				if !p.spaceHas(path, text)() {
					t.Errorf("%s is not %q", path, text)
				}
			}
			if r := p.sync(SyncOptions{}); r.Run != 0 {
				t.Errorf("it does something more: %+v", r.Plan)
			}
		})
	}
}

func TestADirectoryThatHoldsWhatIsIgnoredStays(t *testing.T) {
	p := newPair(t)
	p.inSpace(".spacefsignore", "*.o\n")
	p.inSpace("one/a.c", "text")
	p.inSpace("two/b.c", "text")
	p.sync(SyncOptions{})
	p.inMirror("one/a.o", "made there")
	p.inSpace("two/b.o", "made here")
	p.inSpace("one", "")
	p.inMirror("two", "")
	r := p.sync(SyncOptions{})
	if len(r.Plan.Left) != 2 || !p.mirrorHas("one/a.o", "made there")() || !p.spaceHas("two/b.o", "made here")() {
		t.Errorf("left %+v\n%s\n%s", r.Plan.Left, p.spaceTree(), p.mirrorTree())
	}
	if !p.mirrorHas("one/a.c", "")() || !p.spaceHas("two/b.c", "")() {
		t.Error("what is not ignored did not go")
	}
}

func TestPatternsThatCannotBeReadStopWhatTheyDecide(t *testing.T) {
	p := newPair(t)
	p.inMirror("sub/.spacefsignore", strings.Repeat("x", maxIgnoreFile+1))
	p.inMirror("sub/a", "text")
	p.inMirror("b", "text")
	r, err := Sync(context.Background(), p.store, p.dir, SyncOptions{})
	p.ok(err)
	if len(r.Failed) != 1 || r.Failed[0].Path != "sub" || !p.spaceHas("b", "text")() || !p.spaceHas("sub/a", "")() {
		t.Errorf("%+v\n%s", r.Failed, p.spaceTree())
	}
}

// The rules of all levels together, against git.
func TestIgnoringAgreesWithGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("SKIPPED: needs git")
	}
	rng := rand.New(rand.NewSource(seed.Of(t)))
	names := []string{"a", "b", "ab", "a.b", "b.a", "x", "-a"}
	patterns := []string{"a", "*.b", "/a", "a/b", "!a", "!*.b", "b/", "*", "!*/", "**/x", "a/**", "/*/b", "!/a/b", "?b", "[ab]", "[!a]*", "\\!a", "a/*/x", "!x"}
	checked, rounds := 0, 20
	if n, err := strconv.Atoi(os.Getenv("SPACEFS_IGNORE_ROUNDS")); err == nil {
		rounds = n
	}
	p := newPair(t)
	top := p.dir
	for i := range rounds {
		p.dir = filepath.Join(top, fmt.Sprint(i))
		p.ok(os.Mkdir(p.dir, 0o755))
		var paths []string
		for range 60 {
			path := names[rng.Intn(len(names))]
			for range rng.Intn(3) {
				path = join(path, names[rng.Intn(len(names))])
			}
			if os.MkdirAll(filepath.Join(p.dir, filepath.Dir(path)), 0o755) == nil {
				_ = os.WriteFile(filepath.Join(p.dir, path), nil, 0o644)
			}
		}
		p.ok(filepath.WalkDir(p.dir, func(at string, d fs.DirEntry, err error) error {
			path, _ := filepath.Rel(p.dir, at)
			if path != "." {
				paths = append(paths, path)
			}
			if d.IsDir() && rng.Intn(3) == 0 {
				var text strings.Builder
				for range 1 + rng.Intn(3) {
					fmt.Fprintln(&text, patterns[rng.Intn(len(patterns))])
				}
				for _, name := range []string{IgnoreFile, ".gitignore"} {
					p.ok(os.WriteFile(filepath.Join(at, name), []byte(text.String()), 0o644))
				}
			}
			return err
		}))
		root, err := os.OpenRoot(p.dir)
		p.ok(err)
		v, err := p.store.Snapshot(context.Background())
		p.ok(err)
		g, err := openIgnoring(v, root)
		p.ok(err)
		ignoredByGit := gitIgnores(t, p.dir, paths)
		for _, path := range paths {
			info, err := root.Lstat(path)
			p.ok(err)
			got, err := g.covers(path, info.IsDir())
			p.ok(err)
			if checked++; got != ignoredByGit[path] {
				t.Fatalf("%s: ignored %v, by git %v; in %s", path, got, ignoredByGit[path], p.dir)
			}
		}
		p.ok(v.Close())
		root.Close()
	}
	t.Logf("%d paths", checked)
}

func gitIgnores(t *testing.T, dir string, paths []string) map[string]bool {
	t.Helper()
	env := append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	init := exec.Command("git", "init", "-q", dir)
	init.Env = env
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	check := exec.Command("git", "check-ignore", "--no-index", "--stdin", "-z")
	check.Dir, check.Env, check.Stdin = dir, env, strings.NewReader(strings.Join(paths, "\x00"))
	out, err := check.Output()
	if exit, ok := err.(*exec.ExitError); err != nil && (!ok || exit.ExitCode() != 1) {
		t.Fatal(err)
	}
	ignored := map[string]bool{}
	for _, path := range strings.Split(string(out), "\x00") {
		ignored[path] = path != ""
	}
	if err := os.RemoveAll(filepath.Join(dir, ".git")); err != nil {
		t.Fatal(err)
	}
	return ignored
}
