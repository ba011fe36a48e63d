package integration_test

import (
	"os"
	"strings"
	"testing"
)

// With --metadata a live mirror and the mount have the same extended attributes,
// whoever sets them, also at once; whoever watches hears of it; and the final
// sync brings the last ones.
func TestLiveMountWithMetadata(t *testing.T) {
	needFUSE(t)
	needProgram(t, "inotifywait", "setfattr", "getfattr")
	b := newBench(t)
	b.mkdir("mirror/sub")
	for _, name := range []string{"a", "b", "sub/c"} {
		b.ok(os.WriteFile(b.path("mirror", name), []byte("text of "+name+"\n"), 0o644))
	}
	b.sh("setfattr -n user.first -v sync mirror/a mirror/sub")
	b.mount("--create", "--mirror", "mirror", "--metadata", "docs.space")
	b.background("events", "inotifywait", "-m", "-r", "-e", "attrib", "--format", "%e %w%f", "mnt")
	b.eventually("inotifywait watches", func() bool { return b.holds("events.err", "Watches established") })
	attributes := func(dir string) string { return b.sh("cd " + dir + " && getfattr -d -e base64 a b sub sub/c") }
	agree := func(has ...string) {
		t.Helper()
		b.until("both have the same attributes", func() bool {
			mnt, mirror := attributes("mnt"), attributes("mirror")
			for _, h := range has {
				if !strings.Contains(mnt, h) {
					return false
				}
			}
			return mnt == mirror
		})
	}
	agree("user.first=0sc3luYw==") // sync
	b.sh("setfattr -n user.from -v mirror mirror/b")
	agree("user.from=0sbWlycm9y") // mirror
	b.eventually("a watcher of the mount is told", func() bool { return b.holds("events", "ATTRIB mnt/b") })
	// Both at once, with an edit besides; and one removed.
	b.sh(`setfattr -n user.one -v 1 mnt/a; setfattr -n user.two -v 2 mirror/a; echo edited >> mnt/a; setfattr -x user.first mirror/sub; setfattr -n user.x mnt/sub/c`)
	agree("user.one=0sMQ==", "user.two=0sMg==", "user.x=0s\n")
	if text := attributes("mnt"); strings.Count(text, "user.first") != 1 {
		t.Errorf("what was removed is there:\n%s", text)
	}
	b.appears(b.path("mirror/a"), "text of a\nedited\n")
	b.reap()
	b.sh("setfattr -n user.last -v 1 mnt/sub/c")
	b.unmount()
	if text := b.sh("getfattr -d mirror/sub/c"); !strings.Contains(text, `user.last="1"`) {
		t.Errorf("after the final sync the mirror has\n%s", text)
	}
	if r := b.run("sync", "docs.space"); r.code != 0 || !strings.Contains(r.stderr, "nothing to do") {
		t.Errorf("the next sync: %s", r)
	}
	b.sound("docs.space")
}
