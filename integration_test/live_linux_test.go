package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// appears waits until a file holds a text, "" for: is gone, and tells how long
// that took.
func (b *bench) appears(path, text string) time.Duration {
	b.Helper()
	start := time.Now()
	for {
		have, err := os.ReadFile(path)
		if err == nil && string(have) == text || os.IsNotExist(err) && text == "" {
			return time.Since(start)
		}
		if time.Since(start) > 30*time.Second {
			b.Fatalf("%s never is %q: %q, %v\n%s", path, text, have, err, b.run("status"))
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// mirrorState is what `spacefs status --json` says of a mirror.
type mirrorState struct {
	Path string
	Live *struct {
		State, Reason string
		Queue         int
		LastSync      string `json:"last_sync"`
	}
}

func (b *bench) mirrors(space string) (list []mirrorState) {
	b.Helper()
	var st struct{ Mirrors json.RawMessage }
	b.ok(json.Unmarshal([]byte(b.done("status", "--json", space)), &st))
	b.ok(json.Unmarshal(st.Mirrors, &list))
	return list
}

// One edit is on the other side soon, either way, whatever the editor does to
// save; both mirrors have everything.
func TestLiveMountWithTwoMirrors(t *testing.T) {
	needFUSE(t)
	b := newBench(t)
	b.mkdir("one")
	b.mkdir("two")
	b.sh("mkdir -p one/sub; for i in $(seq 50); do echo text $i > one/sub/$i.md; done")
	b.mount("--create", "--mirror", "one", "--mirror", "two", "live.space")
	b.appears(b.path("two/sub/50.md"), "text 50\n")
	var out, in []time.Duration
	for i := range 10 {
		text := fmt.Sprintf("edit %d\n", i)
		b.ok(os.WriteFile(b.path("mnt/sub/1.md"), []byte(text), 0o644))
		out = append(out, b.appears(b.path("one/sub/1.md"), text))
		b.ok(os.WriteFile(b.path("one/sub/2.md"), []byte(text), 0o644))
		in = append(in, b.appears(b.path("mnt/sub/2.md"), text))
		b.ok(os.WriteFile(b.path("two/sub/.new"), []byte(text), 0o644)) // saved by rename
		b.ok(os.Rename(b.path("two/sub/.new"), b.path("two/sub/3.md")))
		b.appears(b.path("mnt/sub/3.md"), text)
		b.appears(b.path("one/sub/3.md"), text)
	}
	slices.Sort(out)
	slices.Sort(in)
	t.Logf("to the mirror %v (median), %v (longest); to the mount %v, %v", out[5], out[9], in[5], in[9])
	b.sh("mv mnt/sub mnt/moved && ln -s moved/4.md mnt/link && rm mnt/moved/50.md")
	for _, m := range []string{"one", "two"} {
		b.appears(b.path(m, "moved/3.md"), "edit 9\n")
		b.appears(b.path(m, "link"), "text 4\n")
		b.appears(b.path(m, "moved/50.md"), "")
		b.appears(b.path(m, "sub/3.md"), "")
	}
	for _, m := range b.mirrors("live.space") {
		if m.Live == nil || m.Live.State != "live" {
			t.Errorf("%s is %+v", m.Path, m.Live)
		}
	}
	// One revision for each edit, and none for what a sync wrote.
	if log := b.done("log", "live.space", "moved/1.md"); strings.Count(log, "\n") > 12 {
		t.Errorf("ten edits:\n%s", log)
	}
	b.unmount()
	b.agree("live.space", "one")
	b.agree("live.space", "two")
	b.sound("live.space")
}

func TestSyncWatchKeepsAnUnmountedSpaceInStep(t *testing.T) {
	b := newBench(t)
	b.mkdir("dir")
	b.sh("echo one > dir/a.md")
	b.done("init", "watched.space")
	cmd := b.command("sync", "--watch", "watched.space", "dir")
	var told strings.Builder
	cmd.Stderr = &told
	b.ok(cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Kill() })
	// Who opened the space now, to ask, would keep the watch from it.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		holder, _ := os.ReadFile(b.path("watched.space.lock"))
		if strings.Contains(string(holder), ".sock") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not watch: %s", told.String())
		}
	}
	if got := b.done("cat", "watched.space", "a.md"); got != "one\n" { // through its socket
		t.Fatalf("a.md holds %q", got)
	}
	for m := b.mirrors("watched.space"); len(m) == 0 || m[0].Live == nil; m = b.mirrors("watched.space") {
		time.Sleep(10 * time.Millisecond)
	}
	b.sh("echo two > dir/b.md")
	for b.run("cat", "watched.space", "b.md").stdout != "two\n" {
		time.Sleep(10 * time.Millisecond)
	}
	b.sh("mkdir other; echo three > other/c.md") // from behind, into the space
	b.done("import", "-q", "watched.space", "other")
	b.appears(b.path("dir/c.md"), "three\n")
	if r := b.run("sync", "--watch", "watched.space", "dir"); r.code != 1 || !strings.Contains(r.stderr, "is kept in step already") {
		t.Error(r)
	}
	b.ok(cmd.Process.Signal(syscall.SIGINT))
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ends with %v:\n%s", err, told.String())
	}
	b.agree("watched.space", "dir")
	b.sound("watched.space")
}

// A disk that is unmounted is no reason to delete anything, and one that comes
// back is caught up with.
func TestLiveMirrorOnADiskThatGoesAndComesBack(t *testing.T) {
	needFUSE(t)
	must(t, os.Getuid() == 0, "root")
	b := newBench(t)
	disk := b.mkdir("disk")
	b.sh("truncate -s 16M disk.img && mkfs.ext4 -q disk.img")
	insert := func() { b.sh("mount -o loop disk.img disk") }
	if out := b.run("version"); out.code != 0 {
		t.Fatal(out)
	}
	defer syscall.Unmount(disk, syscall.MNT_DETACH)
	insert()
	b.sh("rmdir disk/lost+found; echo text > disk/a.md")
	b.mount("--create", "--mirror", "disk", "disk.space")
	b.sh("until umount disk; do sleep 0.05; done 2>/dev/null") // a sync may just look at it
	for b.mirrors("disk.space")[0].Live.State != "paused" {
		time.Sleep(20 * time.Millisecond)
	}
	b.sh("echo more > mnt/b.md; test -f mnt/a.md")
	insert()
	b.appears(b.path("disk/b.md"), "more\n")
	b.sh("echo again > disk/a.md")
	b.appears(b.path("mnt/a.md"), "again\n")
	b.unmount()
	b.agree("disk.space", "disk")
	b.sound("disk.space")
}
