package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
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

// until waits for something to become true.
func (b *bench) until(what string, ok func() bool) {
	b.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("never: %s\n%s", what, b.run("status"))
		}
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

// A machine that sleeps: the daemon stands still and goes on later as if nothing
// had been, whatever the mirror's side went through.
func TestLiveMountThatSlept(t *testing.T) {
	needFUSE(t)
	b := newBench(t)
	b.mkdir("mirror")
	b.sh("mkdir -p mirror/d mirror/gone; for i in $(seq 20); do echo text $i > mirror/d/$i.md; done; echo x > mirror/gone/x")
	b.mount("--create", "--mirror", "mirror", "live.space")
	pid := b.status("live.space").PID
	for round := range 3 {
		b.ok(os.WriteFile(b.path("mnt/d/1.md"), []byte(fmt.Sprintf("written before %d\n", round)), 0o644)) // on its way when it falls asleep
		b.ok(syscall.Kill(pid, syscall.SIGSTOP))
		b.sh(fmt.Sprintf(`cd mirror && echo edit %[1]d > d/2.md && rm d/%[2]d.md && mv d/3.md d/moved && mv d/moved d/3.md &&
			echo new %[1]d > d/new.tmp && mv d/new.tmp d/new.md && rm -r gone && mkdir -p gone && echo %[1]d > gone/y`, round, 10+round))
		time.Sleep(1500 * time.Millisecond) // longer than any of the times that it waits for
		b.ok(syscall.Kill(pid, syscall.SIGCONT))
		b.appears(b.path("mnt/d/2.md"), fmt.Sprintf("edit %d\n", round))
		b.appears(b.path("mnt/d/new.md"), fmt.Sprintf("new %d\n", round))
		b.appears(b.path(fmt.Sprintf("mnt/d/%d.md", 10+round)), "")
		b.appears(b.path("mnt/gone/y"), fmt.Sprintf("%d\n", round))
		b.appears(b.path("mnt/gone/x"), "")
		b.appears(b.path("mirror/d/1.md"), fmt.Sprintf("written before %d\n", round))
	}
	b.unmount()
	b.agree("live.space", "mirror")
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
	b.until("it is live and has synced", func() bool {
		m := b.mirrors("watched.space")
		return len(m) > 0 && m[0].Live != nil && m[0].Live.LastSync != ""
	})
	if got := b.done("cat", "watched.space", "a.md"); got != "one\n" { // through its socket
		t.Fatalf("a.md holds %q", got)
	}
	b.sh("echo two > dir/b.md")
	b.until("b.md comes", func() bool { return b.run("cat", "watched.space", "b.md").stdout == "two\n" })
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
	b.until("the disk goes", func() bool { return syscall.Unmount(disk, 0) == nil }) // a sync may just look at it
	b.until("it pauses", func() bool { return b.mirrors("disk.space")[0].Live.State == "paused" })
	b.sh("echo more > mnt/b.md; test -f mnt/a.md")
	insert()
	b.appears(b.path("disk/b.md"), "more\n")
	b.sh("echo again > disk/a.md")
	b.appears(b.path("mnt/a.md"), "again\n")
	b.unmount()
	b.agree("disk.space", "disk")
	b.sound("disk.space")
}

// Where a user may watch no more directories, status says so, and what is to do
// about it, and edits come nevertheless.
func TestLiveMirrorWithTooFewWatchesSaysSo(t *testing.T) {
	needProgram(t, "unshare")
	// The limit of a user namespace of its own, so that nobody else feels it.
	const limited = "echo 3 > /proc/sys/user/max_inotify_watches"
	must(t, exec.Command("unshare", "-r", "sh", "-c", limited).Run() == nil, "user namespaces")
	b := newBench(t)
	b.sh("mkdir -p dir/{1,2,3,4,5,6,7,8}; for d in dir/*; do echo one > $d/a.md; done")
	b.done("init", "watched.space")
	cmd := exec.Command("unshare", "-r", "sh", "-c", limited+`; exec "$0" sync --watch watched.space dir`, b.bin)
	cmd.Dir = b.dir
	b.ok(cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	b.until("it watches", func() bool {
		holder, _ := os.ReadFile(b.path("watched.space.lock")) // who opened the space now would keep the watch from it
		return strings.Contains(string(holder), ".sock")
	})
	b.until("it is degraded", func() bool {
		m := b.mirrors("watched.space")
		return len(m) > 0 && m[0].Live != nil && m[0].Live.State == "degraded"
	})
	if m := b.mirrors("watched.space")[0]; !strings.Contains(m.Live.Reason, "fs.inotify.max_user_watches") {
		t.Errorf("the reason is %q", m.Live.Reason)
	}
	if text := b.done("status", "watched.space"); !strings.Contains(text, "fs.inotify.max_user_watches") {
		t.Errorf("status says\n%s", text)
	}
	for _, d := range []string{"1", "8"} {
		b.ok(os.WriteFile(b.path("dir", d, "a.md"), []byte("two\n"), 0o644))
		b.until("the edit in "+d+" comes", func() bool { return b.run("cat", "watched.space", d+"/a.md").stdout == "two\n" })
	}
	b.ok(cmd.Process.Signal(syscall.SIGINT))
	b.ok(cmd.Wait())
	b.agree("watched.space", "dir")
	b.sound("watched.space")
}

// A conflict is resolved while both sides are in use, and from then on the path
// is one like any other; until then it keeps nothing else waiting.
func TestConflictsAreResolvedWhileMounted(t *testing.T) {
	needFUSE(t)
	for take, want := range map[string]string{"space": "of the space\n", "directory": "of the mirror\n"} {
		t.Run(take, func(t *testing.T) {
			b := newBench(t)
			b.sh("mkdir mirror first; echo of the space > first/a.md; echo of the mirror > mirror/a.md")
			b.done("init", "live.space", "--from", "first")
			b.mount("--mirror", "mirror", "--resolve", "manual", "live.space")
			if n := b.status("live.space").Conflicts; n != 1 {
				t.Fatalf("%d conflicts", n)
			}
			b.ok(os.WriteFile(b.path("mirror/b.md"), []byte("meanwhile\n"), 0o644))
			b.appears(b.path("mnt/b.md"), "meanwhile\n")
			if text := string(b.text("mirror/a.md")); text != "of the mirror\n" {
				t.Fatalf("the mirror has %q before anybody decided", text)
			}
			b.done("resolve", "live.space", "a.md", "--take", take)
			b.appears(b.path("mnt/a.md"), want)
			b.appears(b.path("mirror/a.md"), want)
			b.until("no conflict is left", func() bool { return b.status("live.space").Conflicts == 0 })
			for _, way := range [][2]string{{"mnt", "mirror"}, {"mirror", "mnt"}} {
				b.ok(os.WriteFile(b.path(way[0], "a.md"), []byte("edited in the "+way[0]), 0o644))
				b.appears(b.path(way[1], "a.md"), "edited in the "+way[0])
			}
			if log := b.done("log", "live.space", "a.md"); !strings.Contains(log, "*") || strings.Count(log, "\n") < 4 { // both sides' and two edits
				t.Errorf("its history is\n%s", log)
			}
			b.unmount()
			b.agree("live.space", "mirror")
			b.sound("live.space")
		})
	}
}
