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
	every  bool // it has its turn in each round, however long it takes
	costs  []cost
	failed string // why it takes no part any more
}

// A program that takes long has its turn in the first rounds only, unless the
// goals are about it, and so have all when a section has taken this long: all of
// it is to be done in a quarter of an hour.
const (
	slowTurn    = 5 * time.Second
	slowTurns   = 2
	sectionTime = 150 * time.Second
)

// turn measures a program once; a peer that fails is left out from then on, we
// may not fail.
func (b *bench) turn(s *syncer, mayFail bool) {
	b.Helper()
	if n := len(s.costs); s.failed != "" || !s.every && n >= slowTurns && s.costs[n-1].wall > slowTurn {
		return
	}
	b.sh(s.before)
	c, _, err := b.tryCost(s.run[0], s.run[1:]...)
	switch {
	case err == nil:
		s.costs = append(s.costs, c)
	case mayFail:
		s.failed = err.Error()
		b.Logf("%s: %v", s.name, err)
	default:
		b.Fatal(err)
	}
}

func (b *bench) cost(name string, args ...string) (c cost, rss int64) {
	b.Helper()
	c, rss, err := b.tryCost(name, args...)
	b.ok(err)
	return c, rss
}

func (b *bench) tryCost(name string, args ...string) (c cost, rss int64, err error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = b.dir
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return c, 0, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	c = cost{time.Since(start), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	return c, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10, nil
}

// compare measures turn by turn and writes a table: medians, and how many times
// as long the first took, as the median over the turns that both had.
func (b *bench) compare(out *bytes.Buffer, title, goal string, rounds int, list []*syncer) {
	b.Helper()
	start := time.Now()
	for round := range rounds {
		late := round > 0 && time.Since(start) > sectionTime
		for i, s := range list {
			if !late || s.every {
				b.turn(s, i > 0)
			}
		}
	}
	fmt.Fprintf(out, "\n## %s\n\nTo reach: %s.\n\n| | turns | wall | CPU | spacefs takes, × its wall | × its CPU |\n| --- | ---: | ---: | ---: | ---: | ---: |\n", title, goal)
	for i, s := range list {
		if len(s.costs) == 0 {
			fmt.Fprintf(out, "| %s | – | failed | | | |\n", s.name)
			continue
		}
		var walls, cpus []time.Duration
		var byWall, byCPU []float64
		for round, c := range s.costs {
			walls, cpus = append(walls, c.wall), append(cpus, c.cpu)
			if ours := list[0].costs; round < len(ours) {
				byWall = append(byWall, ours[round].wall.Seconds()/c.wall.Seconds())
				byCPU = append(byCPU, ours[round].cpu.Seconds()/max(c.cpu.Seconds(), 0.001))
			}
		}
		fmt.Fprintf(out, "| %s | %d | %.3f s | %.3f s |", s.name, len(s.costs), median(walls).Seconds(), median(cpus).Seconds())
		if i == 0 {
			fmt.Fprintln(out, " | |")
		} else {
			fmt.Fprintf(out, " %.2f | %.2f |\n", median(byWall), median(byCPU))
		}
		b.Logf("%s: %s: %v", title, s.name, s.costs)
	}
}

// peer is another program that keeps two directories in step. Each has a pair of
// its own, NAME-a and NAME-b, and brings what changed in the first to the second.
type peer struct {
	name        string
	forget      string // what it remembers of them
	first, next string
}

// syncPeers are those that are installed; missing says which are not.
func syncPeers() (list []peer, missing []string) {
	for _, p := range []peer{
		{"rsync", "true", "rsync -a %s/ %s/", "rsync -a %s/ %s/"},
		{"unison", "rm -rf unison", "UNISON=$PWD/unison unison -batch -silent %s %s", "UNISON=$PWD/unison unison -batch -silent %s %s"},
		{"rclone", "rm -rf rclone", "rclone bisync -q --workdir rclone --resync %s %s", "rclone bisync -q --workdir rclone %s %s"},
	} {
		if _, err := exec.LookPath(p.name); err == nil {
			list = append(list, p)
		} else {
			missing = append(missing, p.name)
		}
	}
	return list, missing
}

func inShell(format string, a ...any) []string {
	return []string{"bash", "-c", fmt.Sprintf(format, a...)}
}

// firstSync is what each has to do with an empty second directory. It is a new one
// each time, and none is removed before the end: ext4 is slow to use inodes again
// that were freed within the last minutes, whoever asks for them.
func (b *bench) firstSync(out *bytes.Buffer, rounds int, peers []peer) {
	into := func(command string, a ...any) []string {
		return inShell("d=$(mktemp -d first/XXXXXX) && chmod 755 $d && "+command+" && sync -f $d", a...)
	}
	b.sh("mkdir first; cp big.space first.space")
	list := []*syncer{
		{name: "spacefs", every: true, before: "sync -f .", run: into("%s sync -q first.space $d", b.bin)},
		{name: "cp -r and sync -f", every: true, before: "sync -f .", run: into("cp -r tree $d/tree")},
	}
	for _, p := range peers {
		list = append(list, &syncer{name: p.name + " and sync -f", every: p.name == "rsync", before: p.forget + "; sync -f .", run: into(p.first, "tree", "$d")})
	}
	b.compare(out, "First sync into an empty mirror", "1.3 × cp -r and sync -f", max(rounds*2/3, 1), list)
	b.sh("rm -rf first first.space unison rclone")
}

// pairs makes what is in step already, and returns the peers that can do that.
func (b *bench) pairs(peers []peer) (ready []peer) {
	b.mkdir("mirror")
	b.done("sync", "-q", "big.space", "mirror")
	b.sh("git init -q git; cp -r tree/* git/; git -C git add -A; git -C git -c user.name=x -c user.email=x@x commit -qm x; git -C git status")
	for _, p := range peers {
		b.sh(fmt.Sprintf("%[1]s; cp -r tree %[2]s-a; cp -r --preserve=timestamps %[2]s-a %[2]s-b", p.forget, p.name))
		if _, _, err := b.tryCost("bash", "-c", fmt.Sprintf(p.first, p.name+"-a", p.name+"-b")); err != nil {
			b.Logf("%s is left out: %v", p.name, err)
			continue
		}
		ready = append(ready, p)
	}
	return ready
}

func (b *bench) nothingToDo(out *bytes.Buffer, rounds int, peers []peer) {
	list := []*syncer{
		{name: "spacefs", before: "true", run: []string{b.bin, "sync", "-q", "big.space", "mirror"}},
		{name: "git status", before: "true", run: []string{"git", "-C", "git", "status", "--porcelain"}},
	}
	for _, p := range peers {
		list = append(list, &syncer{name: p.name, before: "true", run: inShell(p.next, p.name+"-a", p.name+"-b")})
	}
	b.compare(out, "Nothing to do", "git status of the same tree, and 0.35 s on a quiet machine", rounds, list)
}

func (b *bench) someEdited(out *bytes.Buffer, files, rounds int, peers []peer) {
	edit := func(dir string) string {
		return fmt.Sprintf("find %s -name note-0.md | sed -n 1,%dp | while read f; do echo edited $RANDOM > $f; done", dir, files/100)
	}
	list := []*syncer{{name: "spacefs", before: edit("mirror"), run: []string{b.bin, "sync", "-q", "big.space", "mirror"}}}
	for _, p := range peers {
		list = append(list, &syncer{name: p.name, before: edit(p.name + "-a"), run: inShell(p.next, p.name+"-a", p.name+"-b")})
	}
	b.compare(out, fmt.Sprintf("1 %% edited (%d files)", files/100), "1 s, and all of them", rounds, list)
}

// TestBenchSync writes docs/performance-sync.md; see `make bench-sync`.
func TestBenchSync(t *testing.T) {
	target := os.Getenv("SPACEFS_BENCH_SYNC")
	if target == "" {
		t.Skip("this is for measuring; see make bench-sync")
	}
	needFUSE(t)
	needProgram(t, "git")
	files, rounds := 100000, 9
	if n, err := strconv.Atoi(os.Getenv("SPACEFS_BENCH_FILES")); err == nil {
		files = n
	}
	if n, err := strconv.Atoi(os.Getenv("SPACEFS_BENCH_ROUNDS")); err == nil {
		rounds = n
	}
	b := newBench(t)
	peers, missing := syncPeers()
	b.plant("tree", files)
	b.done("init", "-q", "big.space", "--from", "tree")
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Performance of syncs\n\nMeasured by `make bench-sync`, which writes this file: a tree of %d files of 4 KiB in %d directories. Medians of up to %d turns; every program "+
		"has its turn in each round (one that takes more than %v only in the first %d), and the ratios are medians of the rounds' own ratios, so that what else the machine does falls on all of them.\n",
		files, files/treeFilesPerDirectory, rounds, slowTurn, slowTurns)
	fmt.Fprintf(&out, "\nMachine: %s, %d CPUs, load %s, Linux %s, %s. spacefs at commit %s, %s.\n", cpuModel(), runtime.NumCPU(), loadAverage(), kernel(), filesystemOf(t.TempDir()), commit(), time.Now().Format(time.DateOnly))
	if len(missing) > 0 {
		fmt.Fprintf(&out, "\nNot installed here, and so not in the tables: %s.\n", strings.Join(missing, ", "))
	}
	b.firstSync(&out, rounds, peers)
	peers = b.pairs(peers)
	b.nothingToDo(&out, rounds, peers)
	b.someEdited(&out, files, rounds, peers)
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
