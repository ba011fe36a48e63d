package integration_test

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// `make bench` measures system calls on a mounted space and, in the same run and
// turn by turn, on the plain directory beside it and on other FUSE filesystems.

// contender is a directory to measure in.
type contender struct {
	name, dir string
	rest      func() // waits until it does nothing behind our backs
}

// peers mounts what there is beside the space, each on the given CPU.
func (b *bench) peers(cpu string) []contender {
	b.Helper()
	list := []contender{
		{"plain directory", b.mkdir("plain"), unix.Sync},
		{"spacefs", b.path("mnt"), func() { b.settled("bench.space") }},
		b.withoutCommits(cpu),
	}
	start := func(name string, ready string, command ...string) {
		b.mkdir(name)
		cmd := exec.Command("taskset", append([]string{"-c", cpu}, command...)...)
		cmd.Dir = b.dir
		b.ok(cmd.Start())
		dir := b.path(name)
		b.Cleanup(func() {
			_ = exec.Command("fusermount3", "-u", "-z", dir).Run()
			_ = cmd.Wait()
		})
		for deadline := time.Now().Add(10 * time.Second); !mountedAt(dir); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				b.Fatalf("%s does not mount", name)
			}
		}
		list = append(list, contender{ready, dir, unix.Sync})
	}
	build := exec.Command("go", "build", "-o", b.path("loopback"), "github.com/hanwen/go-fuse/v2/example/loopback")
	if text, err := build.CombinedOutput(); err != nil { // here, where the module is
		b.Fatalf("%v: %s", err, text)
	}
	b.mkdir("loopback-source")
	start("loopback-mount", "go-fuse's loopback", "./loopback", "loopback-mount", "loopback-source")
	if _, err := exec.LookPath("gocryptfs"); err == nil {
		b.mkdir("cipher")
		b.sh("echo password > password && gocryptfs -q -init -passfile password cipher")
		start("gocryptfs-mount", "gocryptfs", "gocryptfs", "-q", "-fg", "-passfile", "password", "cipher", "gocryptfs-mount")
	}
	if _, err := exec.LookPath("bindfs"); err == nil {
		b.mkdir("bindfs-source")
		start("bindfs-mount", "bindfs", "bindfs", "-f", "bindfs-source", "bindfs-mount")
	}
	return list
}

// withoutCommits mounts a space that never writes to its file. Only a sabotaged
// build can do that; nothing that is measured reads what is not in its memory.
func (b *bench) withoutCommits(cpu string) contender {
	b.Helper()
	bin := b.path("spacefs-without-commits")
	build := exec.Command("go", "build", "-tags", "sqlite_fts5,sabotage", "-o", bin, "spacefs")
	if text, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, text)
	}
	dir := b.mkdir("no-commits")
	cmd := exec.Command("taskset", "-c", cpu, bin, "mount", "--create", "-q", "no-commits.space", dir)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "SPACEFS_SABOTAGE=no commit")
	if text, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, text)
	}
	b.Cleanup(func() {
		_ = exec.Command(bin, "unmount", "-q", dir).Run()
		_ = unix.Unmount(dir, unix.MNT_DETACH)
	})
	return contender{"no commits", dir, func() {}}
}

// settled waits, for a while, until everything is in the tables, sealed and packed: what a
// space does for history after the work would be counted as somebody else's work.
func (b *bench) settled(space string) {
	b.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if st := b.status(space); st.Seq == st.TablesSeq && st.Unsealed+st.Unpacked == 0 {
			break
		}
	}
	unix.Sync()
}

func mountedAt(dir string) bool {
	var here, above unix.Stat_t
	return unix.Stat(dir, &here) == nil && unix.Stat(filepath.Dir(dir), &above) == nil && here.Dev != above.Dev
}

// A row of the table takes about this long: it ends after a round past it.
const benchRow = 10 * time.Second

// benchRounds is how many rounds the environment asks for.
func benchRounds() (rounds int, set bool) {
	if tiny {
		return 1, true
	}
	_, err := fmt.Sscan(os.Getenv("SPACEFS_BENCH_ROUNDS"), &rounds)
	return rounds, err == nil && rounds > 0
}

// measure runs a workload turn by turn and returns each contender's times; nil of
// one that does not take part.
func (b *bench) measure(w workload, list []contender) [][]time.Duration {
	b.Helper()
	rounds, warmUp := w.rounds, 0
	if rounds == 0 {
		rounds, warmUp = 5, 1
	}
	if n, set := benchRounds(); set {
		rounds, warmUp = n, 0
	}
	took := make([][]time.Duration, len(list))
	began := time.Now()
	for round := range rounds + warmUp {
		for i, c := range list {
			if w.only != nil && !slices.Contains(w.only, c.name) {
				continue
			}
			dir := filepath.Join(c.dir, "work")
			if round == 0 || !w.keep {
				b.ok(os.Mkdir(dir, 0o755))
				if w.prepare != nil {
					b.ok(w.prepare(dir))
				}
				c.rest()
			}
			if w.before != nil {
				b.ok(w.before(dir))
			}
			start := time.Now()
			b.ok(w.do(dir))
			if round >= warmUp {
				took[i] = append(took[i], time.Since(start))
			}
			if !w.keep {
				b.ok(os.RemoveAll(dir))
			}
			c.rest()
		}
		if round >= warmUp && time.Since(began) > benchRow {
			break
		}
	}
	if w.keep {
		for _, c := range list {
			b.ok(os.RemoveAll(filepath.Join(c.dir, "work")))
			c.rest()
		}
	}
	return took
}

// ratios is how many times as long it took as the plain directory, of each round.
func ratios(took, plain []time.Duration) []float64 {
	list := make([]float64, len(took))
	for i := range took {
		list[i] = took[i].Seconds() / plain[i].Seconds()
	}
	return list
}

func median[T cmp.Ordered](list []T) T {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// TestBench writes docs/performance.md; see `make bench`.
func TestBench(t *testing.T) {
	target := os.Getenv("SPACEFS_BENCH")
	if target == "" {
		t.Skip("this is for measuring; see make bench")
	}
	needFUSE(t)
	needProgram(t, "taskset", "fusermount3", "git", "grep")
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Performance\n\nMeasured by `make bench`, which writes this file; [performance-notes.md](performance-notes.md) explains it. A figure is the median of up to five\n"+
		"rounds, taken turn by turn in one run: the plain directory's in seconds, the others' as how many times as long it took them in the same round.\n"+
		"%d files of 4 KiB unless it says otherwise. \"No commits\" is the same mount that never writes to its file: what FUSE itself costs here.\n", benchFiles)
	fmt.Fprintf(&out, "\nMachine: %s, %d CPUs, Linux %s, %s. spacefs at commit %s, %s.\n", cpuModel(), runtime.NumCPU(), kernel(), filesystemOf(t.TempDir()), commit(), time.Now().Format(time.DateOnly))
	dir := t.TempDir()
	list := workloads(dir+"/tree", dir+"/all.git")
	wanted := regexp.MustCompile(os.Getenv("SPACEFS_BENCH_ONLY"))
	list = slices.DeleteFunc(list, func(w workload) bool { return !wanted.MatchString(w.name) })
	if slices.ContainsFunc(list, func(w workload) bool { return w.sources }) {
		makeSources(t, dir)
	}
	all := fmt.Sprintf("0-%d", runtime.NumCPU()-1)
	write := func() {
		if err := os.WriteFile(target, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("pinned", func(t *testing.T) {
		defer write() // what there is, also if the rest fails
		table(t, &out, "Client and daemons on one CPU", "0", list)
	})
	t.Run("unpinned", func(t *testing.T) {
		defer write()
		table(t, &out, "Client and daemons where the kernel puts them", all, list)
	})
	pin(t, all)
	t.Run("growth", func(t *testing.T) {
		if !wanted.MatchString("growth") {
			t.Skip("not asked for")
		}
		defer write()
		growth(t, &out)
	})
	t.Run("size", func(t *testing.T) {
		if !wanted.MatchString("size") {
			t.Skip("not asked for")
		}
		defer write()
		sizes(t, &out)
	})
}

// makeSources makes tree, of some 1,000 files, with a repository of it beside it,
// and all.git, a repository of 10,000 files.
func makeSources(t *testing.T, dir string) {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]string{"tree": benchTree, "all": benchRepo} {
		to := filepath.Join(dir, name)
		err := copyFiles(filepath.Join(strings.TrimSpace(string(root)), from), to)
		for _, args := range [][]string{{"init", "-q"}, {"config", "gc.auto", "0"}, {"add", "."}, {"-c", "user.name=x", "-c", "user.email=x", "commit", "-q", "-m", "x"}, {"gc", "-q"}} {
			if err == nil {
				err = running("git", args...)(to)
			}
		}
		if err == nil {
			err = os.Rename(to+"/.git", to+".git")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func table(t *testing.T, out *bytes.Buffer, title, cpus string, list []workload) {
	if len(list) == 0 {
		t.Skip("not asked for")
	}
	b := newBench(t)
	pin(t, cpus)
	pinned := cpus == "0"
	b.mount("--create", "bench.space")
	contenders := b.peers(cpus)
	fmt.Fprintf(out, "\n## %s\n\n| workload |", title)
	columns := len(contenders)
	if pinned {
		fmt.Fprint(out, " goal |")
		columns++
	}
	for _, c := range contenders {
		fmt.Fprintf(out, " %s |", c.name)
	}
	fmt.Fprintf(out, "\n| --- |%s\n", strings.Repeat(" ---: |", columns))
	for _, w := range list {
		took := b.measure(w, contenders)
		fmt.Fprintf(out, "| %s |", w.name)
		if pinned {
			fmt.Fprintf(out, " %s |", strings.TrimSpace("≤ "+w.goal))
		}
		fmt.Fprintf(out, " %.4f s |", median(took[0]).Seconds())
		for _, mine := range took[1:] {
			if len(mine) == 0 {
				fmt.Fprint(out, " |")
				continue
			}
			fmt.Fprintf(out, " %.2f |", median(ratios(mine, took[0])))
		}
		fmt.Fprintln(out)
		t.Logf("%-45s %v", w.name, took)
	}
	b.done("unmount", "-q", "mnt")
	b.sound("bench.space")
}

// pin moves this process, with all its threads and future children, to CPUs.
func pin(t *testing.T, cpus string) {
	t.Helper()
	out, err := exec.Command("taskset", "-a", "-c", "-p", cpus, fmt.Sprint(os.Getpid())).CombinedOutput()
	if err != nil {
		t.Fatalf("taskset: %v: %s", err, out)
	}
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(model)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	return unix.ByteSliceToString(u.Release[:])
}

func filesystemOf(dir string) string {
	out, err := exec.Command("stat", "-f", "-c", "%T", dir).Output()
	if err != nil {
		return "unknown filesystem"
	}
	return strings.TrimSpace(string(out))
}

func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
