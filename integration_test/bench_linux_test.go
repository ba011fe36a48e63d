package integration_test

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// `make bench` measures system calls on a mounted space and, in the same run and
// turn by turn, on the plain directory beside it and on other FUSE filesystems.

// workload is something to measure; prepare is not measured. Both work in an
// empty directory.
type workload struct {
	name    string
	prepare func(dir string) error
	do      func(dir string) error
}

const (
	benchFiles = 2000
	benchSyncs = 200
	benchBig   = 128 << 20
)

var benchText = []byte(strings.Repeat("what a person writes in a note\n", 200))[:4096]

func benchFile(dir string, i int) string { return fmt.Sprintf("%s/%d/note-%d.md", dir, i/100, i) }

// each does something to every small file.
func each(fn func(path string) error) func(string) error {
	return func(dir string) error {
		for i := range benchFiles {
			if err := fn(benchFile(dir, i)); err != nil {
				return err
			}
		}
		return nil
	}
}

func createAll(dir string) error {
	for i := range benchFiles {
		if i%100 == 0 {
			if err := os.Mkdir(filepath.Dir(benchFile(dir, i)), 0o755); err != nil {
				return err
			}
		}
		if err := os.WriteFile(benchFile(dir, i), benchText, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func inOrder(steps ...func(string) error) func(string) error {
	return func(dir string) error {
		for _, step := range steps {
			if err := step(dir); err != nil {
				return err
			}
		}
		return nil
	}
}

func writeSynced(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(benchText); err != nil {
		return err
	}
	return f.Sync()
}

func writeBig(dir string) error {
	f, err := os.Create(dir + "/big")
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	rand.New(rand.NewSource(1)).Read(block)
	for i := range benchBig >> 20 {
		block[0] = byte(i)
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
	return nil
}

func syncBig(dir string) error { return syncPath(dir + "/big") }

func readBig(dir string) error {
	_, err := os.ReadFile(dir + "/big")
	return err
}

var (
	statAll = each(func(p string) error { _, err := os.Lstat(p); return err })
	readAll = each(func(p string) error { _, err := os.ReadFile(p); return err })
)

var workloads = []workload{
	{"create", nil, createAll},
	{"stat, warm", inOrder(createAll, statAll), statAll},
	{"read, warm", inOrder(createAll, readAll), readAll},
	{"overwrite", createAll, each(func(p string) error { return os.WriteFile(p, benchText[1:], 0o644) })},
	{"rename", createAll, each(func(p string) error { return os.Rename(p, p+".renamed") })},
	{"unlink", createAll, each(os.Remove)},
	{"save by rename", createAll, each(func(p string) error {
		if err := os.WriteFile(p+".new", benchText, 0o644); err != nil {
			return err
		}
		return os.Rename(p+".new", p)
	})},
	{fmt.Sprintf("write and fsync, %d times", benchSyncs), nil, func(dir string) error {
		for i := range benchSyncs {
			if err := writeSynced(fmt.Sprint(dir, "/", i)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"append 256 bytes, 5000 times", nil, func(dir string) error {
		f, err := os.OpenFile(dir+"/log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		for range 5000 {
			if _, err := f.Write(benchText[:256]); err != nil {
				return err
			}
		}
		return nil
	}},
	{"write 128 MiB", nil, writeBig},
	{"write 128 MiB and fsync", nil, inOrder(writeBig, syncBig)},
	{"read 128 MiB, warm", inOrder(writeBig, syncBig, readBig), readBig},
	{"write 4 KiB at 1000 random places, and fsync", inOrder(writeBig, syncBig), func(dir string) error {
		fd, err := unix.Open(dir+"/big", unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		rng := rand.New(rand.NewSource(2))
		for range 1000 {
			if _, err := unix.Pwrite(fd, benchText, rng.Int63n(benchBig/4096)*4096); err != nil {
				return err
			}
		}
		return unix.Fsync(fd)
	}},
}

// contender is a directory to measure in.
type contender struct{ name, dir string }

// peers mounts what there is beside the space, each on the given CPU.
func (b *bench) peers(cpu string) []contender {
	b.Helper()
	list := []contender{{"plain directory", b.mkdir("plain")}, {"spacefs", b.path("mnt")}}
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
		list = append(list, contender{ready, dir})
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

func mountedAt(dir string) bool {
	var here, above unix.Stat_t
	return unix.Stat(dir, &here) == nil && unix.Stat(filepath.Dir(dir), &above) == nil && here.Dev != above.Dev
}

// measure runs a workload turn by turn and returns each contender's median.
func (b *bench) measure(w workload, list []contender, rounds int) []time.Duration {
	b.Helper()
	took := make([][]time.Duration, len(list))
	for round := range rounds + 1 { // the first is not counted
		for i, c := range list {
			dir := filepath.Join(c.dir, "work")
			b.ok(os.Mkdir(dir, 0o755))
			if w.prepare != nil {
				b.ok(w.prepare(dir))
			}
			start := time.Now()
			b.ok(w.do(dir))
			if round > 0 {
				took[i] = append(took[i], time.Since(start))
			}
			b.ok(os.RemoveAll(dir))
			unix.Sync()
		}
	}
	medians := make([]time.Duration, len(list))
	for i := range took {
		slices.Sort(took[i])
		medians[i] = took[i][len(took[i])/2]
	}
	return medians
}

// TestBench writes docs/performance.md; see `make bench`.
func TestBench(t *testing.T) {
	target := os.Getenv("SPACEFS_BENCH")
	if target == "" {
		t.Skip("this is for measuring; see make bench")
	}
	needFUSE(t)
	needProgram(t, "taskset", "fusermount3")
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Performance\n\nMeasured by `make bench`, which writes this file. Every figure is a median of three, taken turn by turn in one run; the plain\n"+
		"directory's in seconds, the others as how many times as long it took them. %d files of 4 KiB unless it says otherwise.\n", benchFiles)
	fmt.Fprintf(&out, "\nMachine: %s, %d CPUs, Linux %s, %s. spacefs at commit %s, %s.\n", cpuModel(), runtime.NumCPU(), kernel(), filesystemOf(t.TempDir()), commit(), time.Now().Format(time.DateOnly))
	t.Run("pinned", func(t *testing.T) {
		table(t, &out, "Client and daemons on one CPU", "0")
	})
	t.Run("unpinned", func(t *testing.T) {
		table(t, &out, "Client and daemons where the kernel puts them", fmt.Sprintf("0-%d", runtime.NumCPU()-1))
	})
	if err := os.WriteFile(target, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func table(t *testing.T, out *bytes.Buffer, title, cpus string) {
	b := newBench(t)
	pin(t, cpus)
	b.mount("--create", "bench.space")
	list := b.peers(cpus)
	fmt.Fprintf(out, "\n## %s\n\n| workload |", title)
	for _, c := range list {
		fmt.Fprintf(out, " %s |", c.name)
	}
	fmt.Fprintf(out, "\n| --- |%s\n", strings.Repeat(" ---: |", len(list)))
	for _, w := range workloads {
		medians := b.measure(w, list, 3)
		fmt.Fprintf(out, "| %s | %.4f s |", w.name, medians[0].Seconds())
		for _, d := range medians[1:] {
			fmt.Fprintf(out, " %.2f |", d.Seconds()/medians[0].Seconds())
		}
		fmt.Fprintln(out)
		t.Logf("%-45s %v", w.name, medians)
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
