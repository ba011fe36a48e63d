package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Seen from outside, with strace: each commit syncs the WAL, once, before fsync
// returns.
func TestEachCommitIsOneSync(t *testing.T) {
	needFUSE(t)
	needProgram(t, "strace")
	b := newBench(t)
	b.mount("--create", "docs.space")
	save := func(name string) {
		b.ok(os.WriteFile(b.path("mnt", name), []byte("text"), 0o644))
		b.ok(syncPath(b.path("mnt", name)))
	}
	save("first") // the WAL is made as long as it will be, and synced for that
	b.settled("docs.space")

	calls := b.path("calls")
	pid := b.status("docs.space").PID
	tracer := exec.Command("strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", calls, "-p", fmt.Sprint(pid))
	var said strings.Builder
	tracer.Stderr = &said
	b.ok(tracer.Start())
	for deadline := time.Now().Add(30 * time.Second); !attached(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = tracer.Process.Kill()
			_ = tracer.Wait()
			must(t, false, "the right to trace: "+said.String())
		}
	}
	before := b.status("docs.space").Commits
	for i := range 20 {
		save(fmt.Sprint("note", i))
	}
	b.settled("docs.space")
	commits := b.status("docs.space").Commits - before
	b.ok(tracer.Process.Signal(os.Interrupt))
	_ = tracer.Wait()
	text, err := os.ReadFile(calls)
	b.ok(err)
	syncs := regexp.MustCompile(`f(data)?sync\(\d+<[^>]*-wal>`).FindAll(text, -1)
	if commits < 20 || len(syncs) != commits {
		t.Errorf("%d commits, and the WAL was synced %d times:\n%s", commits, len(syncs), text)
	}
	b.unmount()
	b.sound("docs.space")
}

// attached says whether all of a process's threads are being traced.
func attached(pid int) bool {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return false
	}
	for _, thread := range threads {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, thread.Name()))
		if strings.Contains(string(text), "\nTracerPid:\t0\n") {
			return false
		}
	}
	return true
}
