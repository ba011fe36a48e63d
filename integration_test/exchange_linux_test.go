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
	"strconv"
	"strings"
	"testing"
	"time"
)

// `make bench-exchange` measures export and import beside cp and git, turn by
// turn on the same tree, and writes docs/performance-exchange.md.
func TestExchangeBench(t *testing.T) {
	report := os.Getenv("SPACEFS_EXCHANGE_BENCH")
	if report == "" {
		t.Skip("it takes minutes: make bench-exchange")
	}
	needProgram(t, "git", "cp", "sync", "go")
	b := newBench(t)
	files, rounds := number("SPACEFS_EXCHANGE_FILES", 100000), number("SPACEFS_EXCHANGE_ROUNDS", 3)
	history := b.historyFigures(files)
	makeExchangeTree(b, b.path("tree"), files)
	m := exchangeTimes{bench: b, wall: map[string][][]float64{}, cpu: map[string][][]float64{}}
	for begin := time.Now(); m.rounds < rounds; {
		start := time.Now()
		m.round()
		b.ok(os.WriteFile(report, []byte(m.table(files)+history), 0o644))
		if time.Since(begin)+time.Since(start) > exchangeEnough {
			t.Logf("%d rounds of %d: the machine is slow", m.rounds, rounds)
			break
		}
	}
}

// exchangeEnough is how long the rounds may take altogether.
const exchangeEnough = 10 * time.Minute

// historyFigures are what history costs and how quick it is, as the tests of the
// store measure it.
func (b *bench) historyFigures(files int) string {
	b.Helper()
	cmd := exec.Command("go", "test", "-tags", "sqlite_fts5", "-count=1", "-v", "-run", "AThousandSaves|ManyRevisions|FiftySaves", "spacefs/spacedb")
	cmd.Env = append(os.Environ(), "SPACEFS_HISTORY_FIGURES="+map[bool]string{true: "1"}[files >= 100000])
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Errorf("history: %v\n%s", err, out)
	}
	var rows []string
	for line := range strings.Lines(string(out)) {
		_, figure, _ := strings.Cut(strings.TrimSpace(line), "_test.go:")
		_, figure, _ = strings.Cut(figure, ": ")
		for _, between := range []string{": ", " added "} {
			if at := strings.LastIndex(figure, between); at > 0 {
				rows = append(rows, fmt.Sprintf("| %s | %s |\n", figure[:at], figure[at+len(between):]))
			}
		}
	}
	slices.Sort(rows)
	return `
## History

Measured in the store, by ` + "`make history`" + `. Goals: 20 ms at the median; 1 MiB for a thousand saves of a note of 20 KiB, 200 KiB for fifty.

| what | takes |
| --- | --- |
` + strings.Join(rows, "")
}

func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return otherwise
}

// makeExchangeTree makes files of 4 KiB that do not compress, ten in a directory.
func makeExchangeTree(b *bench, dir string, files int) {
	r := rand.New(rand.NewSource(1))
	text := make([]byte, 4096)
	for i := range files {
		in := filepath.Join(dir, fmt.Sprintf("a%02d/d%05d", i/5000, i/10))
		if i%10 == 0 {
			b.ok(os.MkdirAll(in, 0o755))
		}
		r.Read(text)
		b.ok(os.WriteFile(filepath.Join(in, fmt.Sprintf("f%d.md", i%10)), text, 0o644))
	}
}

// exchangeTimes are the seconds of each command, by round.
type exchangeTimes struct {
	*bench
	rounds    int
	wall, cpu map[string][][]float64
}

// timed runs a command and notes how long it took, and how much of the
// processors.
func (m *exchangeTimes) timed(what string, args ...string) {
	m.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_DIR="+m.path("git"), "GIT_WORK_TREE="+m.path("tree"))
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		m.Fatalf("%s: %v\n%s", what, err, out)
	}
	note := func(in map[string][][]float64, seconds float64) {
		for len(in[what]) <= m.rounds {
			in[what] = append(in[what], nil)
		}
		in[what][m.rounds] = append(in[what][m.rounds], seconds)
	}
	note(m.wall, time.Since(start).Seconds())
	note(m.cpu, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
}

func (m *exchangeTimes) round() {
	m.Helper()
	for _, name := range []string{"copied", "exported", "bench.space", "git"} {
		m.ok(os.RemoveAll(m.path(name)))
	}
	quiet := func() { m.ok(exec.Command("sync", "-f", m.dir).Run()) } // nobody pays for what was before
	quiet()
	m.timed("git add -A", "sh", "-c", "git init -q && git add -A")
	quiet()
	m.timed("import", m.bin, "init", "-q", "bench.space", "--from", "tree")
	quiet()
	m.timed("cp -r, sync -f", "sh", "-c", "cp -r tree copied && sync -f copied")
	m.timed("export", m.bin, "export", "-q", "bench.space", "exported")
	for range 3 {
		m.timed("git status", "git", "status", "--short")
		m.timed("export again", m.bin, "export", "-q", "--incremental", "bench.space", "exported")
		m.timed("import again", m.bin, "import", "-q", "bench.space", "tree")
	}
	m.sh("diff -r -x .spacefs-manifest.jsonl tree exported")
	m.rounds++
}

func (m *exchangeTimes) table(files int) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, `# Export and import

Measured by `+"`make bench-exchange`"+`, which writes this file: the program as a process, on %d files of 4 KiB in %d directories, in the page cache. Medians
of %d round(s), taken turn by turn; a ratio is of one round. CPU is user and system time together: on a machine that does other things too it says more
than the clock.

Machine: %s, %d CPUs. spacefs at commit %s, %s. Load at the end: %s.

| what | seconds | CPU seconds | beside | ratio | ratio of CPU | goal |
| --- | ---: | ---: | --- | ---: | ---: | ---: |
`, files, files/10, m.rounds, benchedProcessor(), runtime.NumCPU(), benchedCommit(), time.Now().UTC().Format("2006-01-02"), benchedLoad())
	for _, row := range []struct{ what, beside, goal string }{
		{"export", "cp -r, sync -f", "1.2"}, {"export again", "git status", "1.0"},
		{"import", "git add -A", "0.4"}, {"import again", "git status", "1.2"},
	} {
		fmt.Fprintf(&b, "| %s | %.2f | %.2f | `%s` | %.2f | %.2f | %s |\n", row.what, typical(m.wall[row.what]), typical(m.cpu[row.what]), row.beside,
			ratio(m.wall[row.what], m.wall[row.beside]), ratio(m.cpu[row.what], m.cpu[row.beside]), row.goal)
	}
	for _, what := range []string{"cp -r, sync -f", "git add -A", "git status"} {
		fmt.Fprintf(&b, "| `%s` | %.2f | %.2f | | | | |\n", what, typical(m.wall[what]), typical(m.cpu[what]))
	}
	return b.String()
}

func typical(rounds [][]float64) float64 { return median(slices.Concat(rounds...)) }

func ratio(what, beside [][]float64) float64 {
	var ratios []float64
	for i := range what {
		ratios = append(ratios, median(what[i])/median(beside[i]))
	}
	return median(ratios)
}

func benchedProcessor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for _, line := range strings.Split(string(text), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func benchedCommit() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func benchedLoad() string {
	text, _ := os.ReadFile("/proc/loadavg")
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

// Export, import into a new space, export again, as programs: identical trees
// and identical manifests, so identical documents. SPACEFS_EXCHANGE_FILES makes
// it large.
func TestAnExchangeOfManyFiles(t *testing.T) {
	b := newBench(t)
	makeExchangeTree(b, b.path("tree"), number("SPACEFS_EXCHANGE_FILES", 500))
	b.ok(os.Symlink("a00", b.path("tree", "link")))
	b.ok(os.WriteFile(b.path("tree", "\xff"), nil, 0o755))
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(b.bin, args...)
		cmd.Dir = b.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	run("init", "-q", "one.space", "--from", "tree")
	run("export", "-q", "one.space", "first", "--variant", "flat")
	run("init", "-q", "two.space")
	run("import", "-q", "two.space", "first")
	run("export", "-q", "two.space", "second", "--variant", "flat")
	run("export", "-q", "two.space", "third")
	for _, pair := range [][]string{{"first", "second"}, {"tree", "third"}} {
		out, err := exec.Command("diff", "-r", "--no-dereference", "-x", ".spacefs-manifest.jsonl", b.path(pair[0]), b.path(pair[1])).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %.500s", pair, out)
		}
	}
	if one, two := b.entries("first"), b.entries("second"); one != two {
		t.Error("the manifests differ")
	}
	for _, space := range []string{"one.space", "two.space"} {
		run("check", space)
	}
}

// entries is a manifest without its first line, which names the space.
func (b *bench) entries(dir string) string {
	b.Helper()
	text, err := os.ReadFile(b.path(dir, ".spacefs-manifest.jsonl"))
	b.ok(err)
	_, entries, _ := strings.Cut(string(text), "\n")
	return entries
}
