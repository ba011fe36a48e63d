package materialize

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"spacefs/conflict"
)

// exfat mounts a filesystem of memory cards: case does not count, some names
// cannot be, and there are no symlinks and no modes.
func exfat(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"losetup", "mkfs.exfat", "mount.exfat-fuse"} {
		if _, err := exec.LookPath(program); err != nil || os.Getuid() != 0 {
			if os.Getenv("SPACEFS_MUST_RUN") != "" {
				t.Fatalf("%s must be there, and we be root", program)
			}
			t.Skip("SKIPPED: needs root, losetup, exfatprogs and exfat-fuse")
		}
	}
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 64<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.exfat", image).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	loop, err := exec.Command("losetup", "-f", "--show", image).Output()
	if err != nil {
		t.Skipf("SKIPPED: no loop device: %v", err)
	}
	device := strings.TrimSpace(string(loop))
	t.Cleanup(func() { _ = exec.Command("losetup", "-d", device).Run() })
	if out, err := exec.Command("mount.exfat-fuse", device, dir).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: it cannot be mounted: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestAMirrorOnAMemoryCard(t *testing.T) {
	p := newPair(t)
	p.dir = exfat(t)
	p.inSpace("README", "loud")
	p.inSpace("d/x", "1")
	p.sync(SyncOptions{})
	p.inSpace("readme", "quiet")
	p.inSpace("what?", "cannot be called so there")
	p.inSpace("link", "@README")
	p.inSpace("other", "goes on")
	for range 2 {
		r, err := Sync(context.Background(), p.store, p.dir, SyncOptions{})
		p.ok(err)
		failed := map[string]bool{}
		for _, f := range r.Failed {
			failed[f.Path] = true
		}
		if len(r.Failed) != 2 || !failed["what?"] || !failed["link"] {
			t.Errorf("failed: %v", r.Failed)
		}
		if len(r.Unresolved) != 1 || r.Unresolved[0].Path != "readme" || r.Unresolved[0].Kind != conflict.NameCollision {
			t.Errorf("unresolved: %+v", r.Unresolved)
		}
	}
	read := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(p.dir, name))
		return string(text)
	}
	if read("README") != "loud" || read("other") != "goes on" || read("d/x") != "1" {
		t.Errorf("the mirror holds %q, %q, %q", read("README"), read("other"), read("d/x"))
	}

	// Renaming it by case alone, on either side.
	p.inSpace("readme", "")
	p.inSpace("what?", "")
	p.inSpace("link", "")
	p.mv(true, "README", "ReadMe")
	p.sync(SyncOptions{})
	names := func() (list []string) {
		entries, err := os.ReadDir(p.dir)
		p.ok(err)
		for _, e := range entries {
			list = append(list, e.Name())
		}
		return list
	}
	if got := strings.Join(names(), " "); !strings.Contains(got, "ReadMe") || read("ReadMe") != "loud" {
		t.Errorf("the mirror holds %s", got)
	}
	p.ok(os.Rename(filepath.Join(p.dir, "ReadMe"), filepath.Join(p.dir, "readme")))
	p.sync(SyncOptions{})
	if !strings.Contains(p.spaceTree(), "readme=loud") || p.revisions("readme") != 1 {
		t.Errorf("the space holds\n%s", p.spaceTree())
	}
	if r := p.sync(SyncOptions{}); len(r.Plan.Actions) > 0 {
		t.Errorf("another sync does %+v", r.Plan.Actions)
	}
}
