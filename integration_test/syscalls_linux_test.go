package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// mutating are the system calls by which a sync changes anything, in the mirror
// or in the space's file.
const mutating = "write,pwrite64,ftruncate,fsync,fdatasync,syncfs,renameat,renameat2,unlinkat,mkdirat,symlinkat,linkat,fchmod,fchmodat,?fchmodat2,utimensat" // ?: if strace knows it

// TestASyncEndsOrFailsAtAnySystemCall: strace kills a sync at the n-th system
// call that changes something, or has that call fail; the next sync completes
// and nothing is lost. strace counts by thread, so n means one of a few places.
// Whether it did what it was asked for, its own record says: it may fail, too.
func TestASyncEndsOrFailsAtAnySystemCall(t *testing.T) {
	needProgram(t, "strace")
	b := newBench(t)
	if err := exec.Command("strace", "-f", "-qq", "-e", "trace=none", "true").Run(); err != nil {
		must(t, false, "strace that may trace")
	}
	rng := seeded(t)
	b.scatter(rng, "docs", 60)
	b.done("init", "first.space", "--from", "docs")
	b.mkdir("first")
	b.done("sync", "-q", "first.space", "first")
	b.sh("cp -r first edited && rm -r edited/.spacefs")
	for i := range 60 {
		name := fmt.Sprintf("%02d/%02d/%04d.md", i%17, i%5, i)
		if i < 30 {
			b.ok(os.WriteFile(b.path("edited", name), someText(rng), 0o644))
		}
		if i > 20 && i < 50 {
			b.ok(os.WriteFile(b.path("first", name), someText(rng), 0o644))
		}
	}
	b.scatter(rng, "edited/new", 10)
	b.scatter(rng, "first/fresh", 10)
	b.done("import", "-q", "first.space", "edited")
	b.sh("rm -r edited && rm first/00/*/*")
	from, most, every := 3, 100, 16
	if walk := os.Getenv("SPACEFS_FAULT_WALK"); walk != "" { // all, or a number to go on from
		n, _ := strconv.Atoi(walk)
		from, most, every = max(n, 1), 10000, 1
	}
	for _, fault := range []string{"signal=SIGKILL", "error=EIO", "error=ENOSPC"} {
		hit, missed, last := 0, 0, 0
		for n := from; n <= most; n += every {
			b.restart("first.space", "first")
			before := b.hashes("mirror")
			how := []string{"-f", "-qq", "-o", b.path("strace"), "-e", "trace=" + mutating, "-e", fmt.Sprintf("inject=%s:%s:when=%d", mutating, fault, n)}
			if fault != "signal=SIGKILL" {
				how = append(how, "--seccomp-bpf") // quicker, but it loses signals
			}
			cmd := exec.Command("strace", append(how, b.bin, "sync", "docs.space", "mirror")...)
			cmd.Dir = b.dir
			out, err := cmd.CombinedOutput()
			record, readErr := os.ReadFile(b.path("strace"))
			b.ok(readErr)
			if strings.Contains(string(record), "+++ killed by SIGKILL +++") || strings.Contains(string(record), "(INJECTED)") {
				hit++
				missed, last = 0, n
			} else if err != nil {
				t.Fatalf("%s at %d: %v: %s", fault, n, err, out)
			} else if missed++; missed > 3 && n > 60 {
				break // no thread comes so far any more
			}
			if strings.Contains(string(out), "panic:") || strings.Contains(string(out), "goroutine ") {
				t.Fatalf("%s at %d: %s", fault, n, out)
			}
			if r := b.run("sync", "docs.space", "mirror"); r.code != 0 {
				t.Fatalf("%s at %d: %s\nthe next sync: %s", fault, n, out, r)
			}
			if r := b.run("sync", "docs.space", "mirror"); r.code != 0 || !strings.Contains(r.stderr, "nothing to do") {
				t.Fatalf("%s at %d: the sync after that: %s", fault, n, r)
			}
			b.agree("docs.space", "mirror")
			b.sh("! find mirror -name '.spacefs-tmp-*' | grep .")
			b.nothingVanished(before)
		}
		t.Logf("%s: %d runs hit, the last at call %d", fault, hit, last)
		if hit == 0 {
			t.Errorf("%s: nothing was hit", fault)
		}
	}
}
