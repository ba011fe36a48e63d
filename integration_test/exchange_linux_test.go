package integration_test

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
	needProgram(t, "git", "cp", "sync")
	b := newBench(t)
	files, rounds := number("SPACEFS_EXCHANGE_FILES", 100000), number("SPACEFS_EXCHANGE_ROUNDS", 3)
	makeExchangeTree(b, b.path("tree"), files)
	m := exchangeTimes{bench: b, wall: map[string][]float64{}, cpu: map[string][]float64{}}
	for i := range rounds {
		m.round()
		b.ok(os.WriteFile(report, []byte(m.table(files, i+1)), 0o644))
	}
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

type exchangeTimes struct {
	*bench
	wall, cpu map[string][]float64
}

// timed runs a command and notes how long it took, and how much of the
// processors.
func (m *exchangeTimes) timed(what, dir string, args ...string) {
	m.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		m.Fatalf("%s: %v\n%s", what, err, out)
	}
	m.wall[what] = append(m.wall[what], time.Since(start).Seconds())
	m.cpu[what] = append(m.cpu[what], (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
}

func (m *exchangeTimes) round() {
	tree, copied, exported, space := m.path("tree"), m.path("copied"), m.path("exported"), m.path("bench.space")
	for _, name := range []string{copied, exported, space, filepath.Join(tree, ".git")} {
		m.ok(os.RemoveAll(name))
	}
	quiet := func(dir string) { m.ok(exec.Command("sync", "-f", dir).Run()) } // nobody pays for what was before
	quiet(m.dir)
	m.timed("git add -A", tree, "sh", "-c", "git init -q . && git add -A")
	m.timed("git status", tree, "git", "status", "--short")
	m.timed("git status", tree, "git", "status", "--short")
	m.ok(os.Rename(filepath.Join(tree, ".git"), m.path("git")))
	quiet(m.dir)
	m.timed("import", m.dir, m.bin, "init", "-q", space, "--from", tree)
	quiet(m.dir)
	m.timed("import again", m.dir, m.bin, "import", "-q", space, tree)
	m.timed("import again", m.dir, m.bin, "import", "-q", space, tree)
	m.timed("cp -r, sync -f", m.dir, "sh", "-c", "cp -r tree copied && sync -f copied")
	m.timed("export", m.dir, m.bin, "export", "-q", space, exported)
	m.timed("export again", m.dir, m.bin, "export", "-q", "--incremental", space, exported)
	m.timed("export again", m.dir, m.bin, "export", "-q", "--incremental", space, exported)
	m.ok(exec.Command("diff", "-r", "-x", ".spacefs-manifest.jsonl", tree, exported).Run())
	m.ok(os.RemoveAll(m.path("git")))
}

func (m *exchangeTimes) table(files, rounds int) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, `# Export and import

Measured by `+"`make bench-exchange`"+`, which writes this file: the program as a process, on %d files of 4 KiB in %d directories, in the page cache. Medians
of %d round(s), taken turn by turn; ratios of the medians. CPU is user and system time together: on a machine that does other things too it says more
than the clock.

Machine: %s, %d CPUs. spacefs at commit %s, %s. Load at the end: %s.

| what | seconds | CPU seconds | beside | ratio | ratio of CPU | goal |
| --- | ---: | ---: | --- | ---: | ---: | ---: |
`, files, files/10, rounds, benchedProcessor(), runtime.NumCPU(), benchedCommit(), time.Now().UTC().Format("2006-01-02"), benchedLoad())
	for _, row := range []struct{ what, beside, goal string }{
		{"export", "cp -r, sync -f", "1.2"}, {"export again", "git status", "1.0"},
		{"import", "git add -A", "0.4"}, {"import again", "git status", "1.2"},
	} {
		fmt.Fprintf(&b, "| %s | %.2f | %.2f | `%s` | %.2f | %.2f | %s |\n", row.what, median(m.wall[row.what]), median(m.cpu[row.what]), row.beside,
			median(m.wall[row.what])/median(m.wall[row.beside]), median(m.cpu[row.what])/median(m.cpu[row.beside]), row.goal)
	}
	for _, what := range []string{"cp -r, sync -f", "git add -A", "git status"} {
		fmt.Fprintf(&b, "| `%s` | %.2f | %.2f | | | | |\n", what, median(m.wall[what]), median(m.cpu[what]))
	}
	return b.String()
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
