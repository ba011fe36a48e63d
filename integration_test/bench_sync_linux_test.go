package integration_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// `make bench-sync` measures syncs of a large tree and, turn by turn in the same
// run, what other programs do with the same tree.

const treeFilesPerDirectory = 10

// cost is what a command took.
type cost struct{ wall, cpu time.Duration }

// syncer is a program to measure; before is not measured.
type syncer struct {
	name   string
	before string // shell
	run    []string
}

func (b *bench) cost(name string, args ...string) (c cost, rss int64) {
	b.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = b.dir
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	c = cost{time.Since(start), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	return c, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
}

// compare measures turn by turn and writes a table: medians, and how many times
// as long the first took, as the median over the turns.
func (b *bench) compare(out *bytes.Buffer, title string, rounds int, list []syncer) {
	b.Helper()
	costs := make([][]cost, len(list))
	for range rounds {
		for i, s := range list {
			b.sh(s.before)
			c, _ := b.cost(s.run[0], s.run[1:]...)
			costs[i] = append(costs[i], c)
		}
	}
	fmt.Fprintf(out, "\n## %s\n\n| | wall | CPU | spacefs takes, × its wall | × its CPU |\n| --- | ---: | ---: | ---: | ---: |\n", title)
	for i, s := range list {
		var walls, cpus []time.Duration
		var byWall, byCPU []float64
		for round, c := range costs[i] {
			walls, cpus = append(walls, c.wall), append(cpus, c.cpu)
			byWall = append(byWall, costs[0][round].wall.Seconds()/c.wall.Seconds())
			byCPU = append(byCPU, costs[0][round].cpu.Seconds()/max(c.cpu.Seconds(), 0.001))
		}
		fmt.Fprintf(out, "| %s | %.3f s | %.3f s |", s.name, median(walls).Seconds(), median(cpus).Seconds())
		if i == 0 {
			fmt.Fprintln(out, " | |")
		} else {
			fmt.Fprintf(out, " %.2f | %.2f |\n", median(byWall), median(byCPU))
		}
		b.Logf("%s: %s: %v", title, s.name, costs[i])
	}
}

// TestBenchSync writes docs/performance-sync.md; see `make bench-sync`.
func TestBenchSync(t *testing.T) {
	target := os.Getenv("SPACEFS_BENCH_SYNC")
	if target == "" {
		t.Skip("this is for measuring; see make bench-sync")
	}
	needFUSE(t)
	needProgram(t, "git", "rsync")
	files, rounds := 100000, 9
	if n, err := strconv.Atoi(os.Getenv("SPACEFS_BENCH_FILES")); err == nil {
		files = n
	}
	if n, err := strconv.Atoi(os.Getenv("SPACEFS_BENCH_ROUNDS")); err == nil {
		rounds = n
	}
	b := newBench(t)
	b.plant("tree", files)
	b.done("init", "-q", "big.space", "--from", "tree")
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Performance of syncs\n\nMeasured by `make bench-sync`, which writes this file: a tree of %d files of 4 KiB in %d directories. Medians of %d turns; every program "+
		"has its turn in each, and the ratios are medians of the turns' own ratios, so that what else the machine does falls on all of them.\n", files, files/treeFilesPerDirectory, rounds)
	fmt.Fprintf(&out, "\nMachine: %s, %d CPUs, load %s, Linux %s, %s. spacefs at commit %s, %s.\n", cpuModel(), runtime.NumCPU(), loadAverage(), kernel(), filesystemOf(t.TempDir()), commit(), time.Now().Format(time.DateOnly))

	b.compare(&out, "First sync into an empty mirror", max(rounds/3, 1), []syncer{
		{"spacefs", "rm -rf new; mkdir new; sync -f .", []string{b.bin, "sync", "-q", "big.space", "new"}},
		{"cp -r and sync -f", "rm -rf copy; sync -f .", []string{"bash", "-c", "cp -r tree copy && sync -f copy"}},
		{"rsync -a, which syncs nothing", "rm -rf copy; sync -f .", []string{"rsync", "-a", "tree/", "copy/"}},
	})
	b.sh("rm -rf new; mkdir mirror")
	b.done("sync", "-q", "big.space", "mirror")
	b.sh("git init -q git; cp -r tree/* git/; git -C git add -A; git -C git -c user.name=x -c user.email=x@x commit -qm x; git -C git status")
	noop := []syncer{
		{"spacefs", "true", []string{b.bin, "sync", "-q", "big.space", "mirror"}},
		{"git status", "true", []string{"git", "-C", "git", "status", "--porcelain"}},
		{"rsync -a", "true", []string{"rsync", "-a", "tree/", "copy/"}},
	}
	if _, err := exec.LookPath("unison"); err == nil {
		t.Setenv("UNISON", b.mkdir("unison"))
		noop = append(noop, syncer{"unison -batch", "true", []string{"unison", "-batch", "-silent", "tree", "copy"}})
		b.sh("unison -batch -silent tree copy")
	}
	b.compare(&out, "Nothing to do", rounds, noop)
	edit := func(dir string) string {
		return fmt.Sprintf("find %s -name 'note-0.md' | sed -n 1,%dp | while read f; do echo edited $RANDOM > $f; done", dir, files/100)
	}
	edits := []syncer{
		{"spacefs", edit("mirror"), []string{b.bin, "sync", "-q", "big.space", "mirror"}},
		{"rsync -a", edit("tree"), []string{"rsync", "-a", "tree/", "copy/"}},
	}
	if len(noop) > 3 {
		edits = append(edits, syncer{"unison -batch", edit("tree"), noop[3].run})
	}
	b.compare(&out, fmt.Sprintf("1 %% edited (%d files)", files/100), rounds, edits)
	b.memory(&out, files)
	b.live(&out)
	if err := os.WriteFile(target, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	return strings.Join(strings.Fields(string(text))[:1], "")
}

// plant makes a tree of files of 4 KiB.
func (b *bench) plant(name string, files int) {
	b.Helper()
	for i := range files {
		d, n := i/treeFilesPerDirectory, i%treeFilesPerDirectory
		dir := b.path(name, fmt.Sprintf("d%02d", d%100), fmt.Sprintf("s%03d", d/100))
		if n == 0 {
			b.ok(os.MkdirAll(dir, 0o755))
		}
		text := fmt.Appendf(nil, "note %d\n", i)
		b.ok(os.WriteFile(filepath.Join(dir, fmt.Sprintf("note-%d.md", n)), append(text, benchText[len(text):]...), 0o644))
	}
}

// memory is how much a scan's peak grows with the tree.
func (b *bench) memory(out *bytes.Buffer, files int) {
	b.Helper()
	b.plant("few", treeFilesPerDirectory)
	b.done("init", "-q", "small.space", "--from", "few")
	b.mkdir("smaller")
	b.done("sync", "-q", "small.space", "smaller")
	peak := func(space, mirror string) int64 {
		var peaks []time.Duration
		for range 5 {
			_, rss := b.cost(b.bin, "sync", "-q", space, mirror)
			peaks = append(peaks, time.Duration(rss))
		}
		return int64(median(peaks))
	}
	large, small := peak("big.space", "mirror"), peak("small.space", "smaller")
	fmt.Fprintf(out, "\n## Memory\n\nPeak of a sync with nothing to do: %.1f MiB for %d files, %.1f MiB for %d: **%d bytes a file**.\n",
		float64(large)/(1<<20), files, float64(small)/(1<<20), treeFilesPerDirectory, (large-small)/int64(files))
}

// live is how long an edit takes to the other side of a mounted space.
func (b *bench) live(out *bytes.Buffer) {
	b.Helper()
	const edits = 100
	b.mount("--mirror", "mirror", "big.space")
	for st := b.mirrors("big.space"); ; st = b.mirrors("big.space") {
		if i := slices.IndexFunc(st, func(m mirrorState) bool { return m.Live != nil && m.Live.LastSync != "" }); i >= 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	fmt.Fprintf(out, "\n## Live\n\n%d edits each way, one after the other, on the same tree, mounted with `--mirror`.\n\n| | median | p99 |\n| --- | ---: | ---: |\n", edits)
	for _, way := range [][2]string{{"mnt", "mirror"}, {"mirror", "mnt"}} {
		var took []time.Duration
		for i := range edits {
			text := fmt.Sprintf("%s %d\n", way[0], i)
			name := fmt.Sprintf("d%02d/s000/note-1.md", i%10)
			b.ok(os.WriteFile(b.path(way[0], name), []byte(text), 0o644))
			took = append(took, b.appears(b.path(way[1], name), text))
		}
		slices.Sort(took)
		fmt.Fprintf(out, "| %s → %s | %d ms | %d ms |\n", way[0], way[1], took[edits/2].Milliseconds(), took[edits*99/100].Milliseconds())
		b.Logf("%v: %v", way, took)
	}
	b.done("unmount", "-q", "mnt")
}
