package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The main job: a directory of real documents becomes a space, is worked in
// with ordinary programs while its mirror is worked in too, and in the end the
// two agree, with every save recorded.
func TestMainJob(t *testing.T) {
	needFUSE(t)
	needProgram(t, "git", "go", "vim", "emacs", "nano", "tmux")
	b := newBench(t)
	goroot := strings.TrimSpace(b.sh("go env GOROOT"))
	b.step("init --from", func() { b.done("init", "docs.space", "--from", goroot+"/src") })
	b.sh("cp -r " + goroot + "/src mirror")
	b.step("mount --mirror", func() { b.mount("--mirror", "mirror", "docs.space") })
	b.sound("docs.space")

	b.step("go build net/url", func() { b.buildInside(goroot, "net/url") })
	b.step("git", func() {
		b.sh(`cd mnt
			export GIT_CONFIG_NOSYSTEM=1 HOME="$PWD/.." GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
			git init -q && git config gc.auto 0 && git add -A && git commit -q -m first && test -z "$(git status --porcelain)"`)
	})
	b.step("editors", func() {
		b.editWithVim("mnt/strings/search.go")
		b.editWithEmacs("mnt/strings/builder.go")
		b.editWithNano("mnt/strings/reader.go")
	})
	b.step("rm -rf", func() { b.sh("rm -rf mnt/image mnt/archive") })
	b.step("in the mirror", func() {
		b.sh(`cd mirror && echo '// from the mirror' >> sort/sort.go && rm -r html/template/testdata && mkdir new && echo hello > new/note.md && mv errors mistakes && ln -s ../sort/sort.go new/link`)
	})
	for _, edited := range []string{"strings/search.go", "strings/builder.go", "strings/reader.go"} {
		b.awaitRevisions("docs.space", edited, 2)
	}
	b.step("unmount", func() { b.Log(b.unmount()) })

	b.agree("docs.space", "mirror")
	b.sound("docs.space")
	b.sh(`cd mirror && git fsck --strict && grep -q 'from the mirror' sort/sort.go && test ! -e html/template/testdata && test ! -e image &&
		test -e mistakes/errors.go && test ! -e errors && grep -q vim strings/search.go && grep -q emacs strings/builder.go && grep -q nano strings/reader.go`)
	b.sh(`test "$(readlink mirror/new/link)" = ../sort/sort.go`)
	if r := b.run("sync", "docs.space", "mirror"); r.code != 0 || !strings.Contains(r.stderr, "nothing to do") {
		b.Errorf("a second sync: %s", r)
	}
	if got := b.done("cat", "docs.space", "strings/search.go@1"); strings.Contains(got, "vim") {
		b.Error("the first revision is not the original any more")
	}
}

// TestMainJobAsOrdinaryUser is the same for somebody who is not root, for whom
// fusermount3 mounts.
func TestMainJobAsOrdinaryUser(t *testing.T) {
	needFUSE(t)
	needProgram(t, "fusermount3", "setpriv")
	must(t, os.Getuid() == 0, "root, to become somebody else")
	asNobody(t, "^TestMainJob$")
}

// asNobody runs tests of this binary once more as an ordinary user.
func asNobody(t *testing.T, pattern string) {
	t.Helper()
	const nobody = 65534
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	for _, dir := range []string{filepath.Dir(home), home} {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	// Where /dev/fuse is root's alone, it is everybody's for this child: in a
	// mount namespace of its own it has another one in its place.
	device := filepath.Join(home, "fuse")
	if err := unix.Mknod(device, unix.S_IFCHR|0o666, int(unix.Mkdev(10, 229))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(device, 0o666); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `mount --bind "$0" /dev/fuse && exec setpriv --pdeathsig KILL "$@"`, device,
		"--reuid", fmt.Sprint(nobody), "--regid", fmt.Sprint(nobody), "--clear-groups", self, "-test.count=1", "-test.timeout=15m", "-test.v", "-test.run", pattern)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "TMPDIR="+home, "HOME="+home, "GOCACHE="+home+"/gocache", builtVariable+"="+bin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "\n--- PASS") {
		t.Fatalf("%v:\n%s", err, out)
	}
	t.Logf("as uid %d:\n%s", nobody, out)
}

// step logs how long a part of the job took.
func (b *bench) step(what string, fn func()) {
	b.Helper()
	start := time.Now()
	fn()
	b.Logf("%-16s %6.2f s", what, time.Since(start).Seconds())
}

// buildInside builds a package of a standard library that lies in the mount.
func (b *bench) buildInside(goroot, pkg string) {
	b.Helper()
	b.mkdir("goroot")
	for _, name := range []string{"bin", "pkg", "lib", "go.env", "VERSION"} {
		b.ok(os.Symlink(filepath.Join(goroot, name), b.path("goroot", name)))
	}
	b.ok(os.Symlink(b.path("mnt"), b.path("goroot", "src")))
	cmd := exec.Command(filepath.Join(goroot, "bin", "go"), "build", "-a", pkg)
	cmd.Dir = b.path("mnt")
	cmd.Env = append(os.Environ(), "GOROOT="+b.path("goroot"), "GOTOOLCHAIN=local", "GOFLAGS=", "GOCACHE="+b.path("cache"), "CGO_ENABLED=0", "GOARCH="+runtime.GOARCH)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
}

func (b *bench) editWithVim(name string) {
	b.Helper()
	b.sh(`vim -N -u NONE -i NONE -es -c 'set backup writebackup' -c 'normal Go// by vim' -c wq ` + name)
}

func (b *bench) editWithEmacs(name string) {
	b.Helper()
	b.sh(`emacs -Q --batch ` + name + ` --eval '(progn (goto-char (point-max)) (insert "// by emacs\n") (save-buffer))' 2>&1`)
}

func (b *bench) editWithNano(name string) {
	b.Helper()
	b.typeIntoNano(name, "-I -L", "// by nano")
}

// typeIntoNano adds a line at the end and saves. nano needs a terminal.
func (b *bench) typeIntoNano(name, flags, line string) {
	b.Helper()
	nano := b.terminal("nano", "nano "+flags+" "+name)
	nano.shows("Exit")
	nano.keys("M-/", line, "Enter")
	nano.keys("C-o", "Enter", "C-x")
	nano.ends()
}

// awaitRevisions waits until a document has come to rest with that many.
func (b *bench) awaitRevisions(space, path string, want int) {
	b.Helper()
	var log string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		log = b.done("log", space, path)
		if strings.Count(log, "\n") == want {
			return
		}
	}
	b.Fatalf("%s has not %d revisions:\n%s", path, want, log)
}
