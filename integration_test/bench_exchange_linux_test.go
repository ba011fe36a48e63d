package integration_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// `make bench-exchange` measures exports and imports beside cp and git, turn by
// turn on the same tree, and history, and writes docs/performance-exchange.md.
func TestExchangeBench(t *testing.T) {
	report := os.Getenv("SPACEFS_EXCHANGE_BENCH")
	if report == "" {
		t.Skip("it takes minutes: make bench-exchange")
	}
	needProgram(t, "git", "cp", "sync", "go")
	begin := time.Now()
	b := newBench(t)
	files, rounds := number("SPACEFS_EXCHANGE_FILES", 100000), number("SPACEFS_EXCHANGE_ROUNDS", 5)
	history := b.historyFigures(files)
	makeExchangeTree(b, b.path("tree"), files)
	m := exchangeTimes{bench: b, wall: map[string][][]float64{}, cpu: map[string][][]float64{}}
	for m.rounds < rounds {
		start := time.Now()
		m.round()
		b.ok(os.WriteFile(report, []byte(m.table(files)+history), 0o644))
		if time.Since(begin)+time.Since(start) > exchangeEnough {
			t.Logf("%d rounds of %d: the machine is slow", m.rounds, rounds)
			break
		}
	}
}

// exchangeEnough is how long all of it may take; removing it comes after that.
const exchangeEnough = 9 * time.Minute

// exchangeAgain is how often in a round what takes little has its turn.
const exchangeAgain = 5

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
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_DIR="+m.path(m.of("git")), "GIT_WORK_TREE="+m.path("tree"))
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

// of is the round's own: nothing is removed before the end, since ext4 is slow to
// use inodes again that were freed within the last minutes, whoever asks for them.
func (m *exchangeTimes) of(name string) string { return fmt.Sprint(name, ".", m.rounds) }

func (m *exchangeTimes) round() {
	m.Helper()
	copied, exported, space := m.of("copied"), m.of("exported"), m.of("bench")+".space"
	m.inTurn(
		func() { m.timed("git add -A", "sh", "-c", "git init -q && git add -A") },
		func() { m.timed("import", m.bin, "init", "-q", space, "--from", "tree") },
	)
	m.inTurn(
		func() { m.timed("cp -r, sync -f", "sh", "-c", "cp -r tree "+copied+" && sync -f "+copied) },
		func() { m.timed("export", m.bin, "export", "-q", space, exported) },
	)
	m.sync()
	for range exchangeAgain {
		m.timed("git status", "git", "status", "--short")
		m.timed("export again", m.bin, "export", "-q", "--incremental", space, exported)
		m.timed("import again", m.bin, "import", "-q", space, "tree")
	}
	m.sh("diff -r -x .spacefs-manifest.jsonl tree " + exported)
	m.rounds++
}

// inTurn does both, the other one first in every second round.
func (m *exchangeTimes) inTurn(both ...func()) {
	m.Helper()
	for i := range both {
		m.sync()
		both[(i+m.rounds)%len(both)]()
	}
}

// sync has nobody pay for what was before.
func (m *exchangeTimes) sync() {
	m.Helper()
	m.ok(exec.Command("sync", "-f", m.dir).Run())
}

func (m *exchangeTimes) table(files int) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, `# Export and import

Measured by `+"`make bench-exchange`"+`, which writes this file: the program as a process, on %d files of 4 KiB in %d directories, in the page cache. Medians
of the turns, one of each a round, %d of what takes little; a ratio is of one round, and behind its median are the least and the most. CPU is user and system time
together: on a machine that does other things too it says more than the clock.

Machine: %s, %d CPUs, Linux %s, %s, load %s at the end. spacefs at commit %s, %s.

| what | turns | seconds | CPU seconds | beside | ratio | ratio of CPU | goal |
| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |
`, files, files/10, exchangeAgain, cpuModel(), runtime.NumCPU(), kernel(), filesystemOf(m.dir), loadAverage(), commit(), time.Now().UTC().Format(time.DateOnly))
	for _, row := range []struct{ what, beside, goal string }{
		{"export", "cp -r, sync -f", "1.2"}, {"export again", "git status", "1.0"},
		{"import", "git add -A", "0.4"}, {"import again", "git status", "1.2"},
	} {
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s | %s | %s |\n", row.what, m.typical(row.what), row.beside,
			ratio(m.wall[row.what], m.wall[row.beside]), ratio(m.cpu[row.what], m.cpu[row.beside]), row.goal)
	}
	for _, what := range []string{"cp -r, sync -f", "git add -A", "git status"} {
		fmt.Fprintf(&b, "| `%s` | %s | | | | |\n", what, m.typical(what))
	}
	return b.String()
}

// typical is how many turns a command had, and what it took.
func (m *exchangeTimes) typical(what string) string {
	wall, cpu := slices.Concat(m.wall[what]...), slices.Concat(m.cpu[what]...)
	return fmt.Sprintf("%d | %.3f | %.3f", len(wall), median(wall), median(cpu))
}

func ratio(what, beside [][]float64) string {
	var ratios []float64
	for i := range what {
		ratios = append(ratios, median(what[i])/median(beside[i]))
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(ratios), slices.Min(ratios), slices.Max(ratios))
}

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
