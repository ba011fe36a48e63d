package integration_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"spacefs/spacedb"
)

// The mirror is a directory like any other, and others work in it while it is
// synced: nothing is lost, nobody is disturbed, and both sides agree when they
// have finished.

// syncMeanwhile syncs again and again while work goes on beside it, and then
// until there is nothing to do.
func (b *bench) syncMeanwhile(space, mirror string, work func() error, each func()) {
	b.Helper()
	end := make(chan error, 1)
	go func() { end <- work() }()
	syncs, partial := 0, 0
	for working := true; working; {
		select {
		case err := <-end:
			b.ok(err)
			working = false
		default:
		}
		if each != nil {
			each()
		}
		switch r := b.run("sync", space, mirror, "--accept-deletes"); r.code {
		case 3:
			partial++ // something moved while it was looked at
			fallthrough
		case 0:
			syncs++
		default:
			b.Fatalf("a sync while others work: %s", r)
		}
	}
	b.done("sync", "-q", space, mirror, "--accept-deletes")
	if r := b.run("sync", space, mirror); r.code != 0 || !strings.Contains(r.stderr, "nothing to do") {
		b.Fatalf("it does not come to rest: %s", r)
	}
	b.agree(space, mirror)
	b.sound(space)
	b.sh("! find " + mirror + " -name '.spacefs-tmp-*' | grep .")
	b.Logf("%d syncs meanwhile, %d of them in part", syncs, partial)
}

// shell runs a script without the test's own helpers: it may run beside the test.
func (b *bench) shell(script string) error {
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_EDITOR=true")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// remembers opens a space that nobody has open and looks contents up in its history.
func (b *bench) remembers(space string, contents ...string) {
	b.Helper()
	store, err := spacedb.Open(b.path(space), spacedb.Options{})
	b.ok(err)
	defer store.Close()
	for _, text := range contents {
		if have, err := store.HasContent(sha256.Sum256([]byte(text))); err != nil || !have {
			b.Errorf("%.40q is not in the history (%v)", text, err)
		}
	}
}

func TestGitWorksInTheMirrorMeanwhile(t *testing.T) {
	needProgram(t, "git")
	b := newBench(t)
	b.ok(b.shell(`
		mkdir mirror && cd mirror && git init -q -b main
		for i in $(seq 40); do mkdir -p d$((i % 5)); echo "file $i" > d$((i % 5))/$i.md; done
		printf '.spacefs/\n*.local\n' > .gitignore
		git add -A && git commit -qm start
		for k in 1 2 3; do
			git checkout -qb topic$k main
			for i in $(seq $k 4 40); do echo "topic $k" >> d$((i % 5))/$i.md; done
			git commit -qam "edited $k" && git mv d$k moved$k && git rm -q d4/9.md && git commit -qam "moved $k"
		done
		git checkout -q main && echo "on main" >> d0/40.md && git commit -qam more`))
	b.done("init", "docs.space")
	b.done("sync", "-q", "docs.space", "mirror")
	// Somebody edits the space too, beside what git has.
	b.mkdir("edit")
	n := 0
	var ours []string
	edit := func() {
		n++
		text := fmt.Sprintf("ours %d", n)
		ours = append(ours, text)
		b.ok(os.WriteFile(b.path("edit", "ours.local"), []byte(text), 0o644))
		b.done("import", "-q", "docs.space", "edit")
	}
	b.syncMeanwhile("docs.space", "mirror", func() error {
		return b.shell(`cd mirror
			for k in 1 2 3 1; do git checkout -q topic$k; git rebase -q main; git checkout -q main; done
			git merge -q --no-edit topic1
			git gc -q
			git checkout -q topic2 && git checkout -q main && git stash list`)
	}, edit)
	b.ok(b.shell(`cd mirror && git fsck --strict --no-progress && test -z "$(git status --porcelain)" && test "$(git rev-parse --abbrev-ref HEAD)" = main && test -d moved1`))
	// The space has a repository that works just as well.
	b.done("export", "-q", "docs.space", "out")
	b.ok(b.shell(`cd out && git fsck --strict --no-progress && git status --porcelain | wc -l && test "$(git rev-parse HEAD)" = "$(git -C ../mirror rev-parse HEAD)"`))
	if text, err := os.ReadFile(b.path("mirror", "ours.local")); err != nil || string(text) != ours[len(ours)-1] {
		t.Errorf("the space's edit is %q in the mirror (%v)", text, err)
	}
	b.remembers("docs.space", ours...)
}

func TestRsyncDeletesInTheMirrorMeanwhile(t *testing.T) {
	needProgram(t, "rsync")
	b := newBench(t)
	rng := seeded(t)
	b.scatter(rng, "source", 120)
	b.mkdir("mirror")
	b.done("init", "docs.space")
	b.done("sync", "-q", "docs.space", "mirror")
	const copy = "rsync -a --delete --exclude=.spacefs source/ mirror/"
	var mine string
	b.syncMeanwhile("docs.space", "mirror", func() error {
		for i := range 12 {
			victim := fmt.Sprintf("source/%02d", i)
			if err := b.shell(copy + " && rm -rf " + victim + " && mkdir -p source/new && echo round " + fmt.Sprint(i) + " | tee source/new/" +
				fmt.Sprint(i) + ".md >> source/log.md"); err != nil {
				return err
			}
		}
		return b.shell(copy)
	}, func() {
		// What only the space has, rsync takes out of the mirror; it stays in history.
		mine = fmt.Sprintf("of the space alone, seed %d", rng.Int63())
		b.mkdir("edit")
		b.ok(os.WriteFile(b.path("edit", "mine.md"), []byte(mine), 0o644))
		b.done("import", "-q", "docs.space", "edit")
	})
	b.sh(copy)
	b.done("sync", "-q", "docs.space", "mirror", "--accept-deletes")
	b.sh("diff -r --exclude=.spacefs source mirror")
	b.agree("docs.space", "mirror")
	b.remembers("docs.space", mine, "round 0\n", "round 11\n")
}

// Editors replace a file; the history has whole contents only, whatever was
// there at the moment of a sync.
func TestAtomicSavesInTheMirrorMeanwhile(t *testing.T) {
	b := newBench(t)
	b.mkdir("mirror")
	b.done("init", "docs.space")
	whole := func(n int) string {
		return fmt.Sprintf("version %d\n%send of %d\n", n, strings.Repeat("a line of it\n", 2000), n)
	}
	const versions = 200
	save := func(n int) error {
		temporary := b.path("mirror", ".note.md.swp")
		if err := os.WriteFile(temporary, []byte(whole(n)), 0o644); err != nil {
			return err
		}
		if err := syncPath(temporary); err != nil { // as a careful editor does
			return err
		}
		return os.Rename(temporary, b.path("mirror", "note.md"))
	}
	b.ok(save(0))
	b.syncMeanwhile("docs.space", "mirror", func() error {
		for n := 1; n <= versions; n++ {
			if err := save(n); err != nil {
				return err
			}
			// Another program appends to its own file.
			log, err := os.OpenFile(b.path("mirror", "log.md"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				return err
			}
			fmt.Fprintln(log, "line", n)
			if err := log.Close(); err != nil {
				return err
			}
		}
		return nil
	}, nil)
	list := b.log("docs.space", "note.md")
	for _, r := range list {
		text := b.done("cat", "docs.space", fmt.Sprintf("note.md@%d", r.Number))
		var n int
		if _, err := fmt.Sscanf(text, "version %d\n", &n); err != nil || text != whole(n) {
			t.Errorf("revision %d is no whole version", r.Number)
		}
	}
	if text := b.done("cat", "docs.space", "note.md"); text != whole(versions) {
		t.Error("the last version is not what the space has")
	}
	if lines := strings.Count(b.done("cat", "docs.space", "log.md"), "\n"); lines != versions {
		t.Errorf("the log has %d lines", lines)
	}
	t.Logf("%d of %d versions are in the history", len(list), versions)
}

// Two people edit the same note, one on each side, while somebody else keeps the
// mirror busy: whoever wins, both texts are in the history after each sync.
func TestTwoProcessesWriteMeanwhile(t *testing.T) {
	b := newBench(t)
	b.mkdir("mirror")
	b.mkdir("edit")
	b.done("init", "docs.space")
	n := 0
	var said []string
	quarrel := func() {
		n++
		here, there := fmt.Sprintf("the space says %d", n), fmt.Sprintf("the mirror says %d", n)
		b.ok(os.WriteFile(b.path("edit", "shared.md"), []byte(here), 0o644))
		b.done("import", "-q", "docs.space", "edit")
		b.ok(os.WriteFile(b.path("mirror", "shared.md"), []byte(there), 0o644))
		said = append(said, here, there)
	}
	b.syncMeanwhile("docs.space", "mirror", func() error {
		for i := range 600 {
			name := b.path("mirror", fmt.Sprintf("busy/%d/%d.md", i%7, i%40))
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(name, []byte(fmt.Sprint("busy ", i)), 0o644); err != nil {
				return err
			}
			if i%90 == 89 {
				if err := os.RemoveAll(b.path("mirror", fmt.Sprintf("busy/%d", i%7))); err != nil {
					return err
				}
			}
		}
		return nil
	}, quarrel)
	b.remembers("docs.space", said...)
	last := b.done("cat", "docs.space", "shared.md")
	if !regexp.MustCompile(fmt.Sprintf(`^the (space|mirror) says %d$`, n)).MatchString(last) {
		t.Errorf("in the end it says %q", last)
	}
	t.Logf("%d conflicts", n)
}
