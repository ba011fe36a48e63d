package integration_test

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spacefs/fusefs"
	"spacefs/spacedb"
)

// What things cost must not grow with the space: the same work in spaces of
// different sizes, turn by turn.

// grown is a space of many files and what is found of it.
type grown struct {
	what   string
	files  int
	perDir int
	bench  *bench
	mount  time.Duration
	rss    [2]int64 // MiB: after the work, and after a walk over all files
	walk   time.Duration
}

const (
	growthRounds = 7
	growthFiles  = 500
)

// file is the path of the i-th file within the space.
func (g *grown) file(i int) string {
	return fmt.Sprintf("%04d/%06d", i/g.perDir, i)
}

// growthWork is done in each; fresh begins the paths of files that are not there
// yet, old are paths of files that nobody has looked at.
var growthWork = []struct {
	name string
	do   func(fresh string, old []string) error
}{
	{"create", func(fresh string, _ []string) error {
		for i := range growthFiles {
			if err := os.WriteFile(fmt.Sprint(fresh, i), benchText, 0o644); err != nil {
				return err
			}
		}
		return nil
	}},
	{"stat a file never seen", func(_ string, old []string) error {
		return every(old, func(p string) error { _, err := os.Lstat(p); return err })
	}},
	{"read it", func(_ string, old []string) error {
		return every(old, func(p string) error { _, err := os.ReadFile(p); return err })
	}},
	{"overwrite it", func(_ string, old []string) error {
		return every(old, func(p string) error { return os.WriteFile(p, benchText, 0o644) })
	}},
	{"rename it", func(_ string, old []string) error {
		return every(old, func(p string) error { return os.Rename(p, p+".r") })
	}},
	{"unlink it", func(_ string, old []string) error {
		return every(old, func(p string) error { return os.Remove(p + ".r") })
	}},
	{"write and fsync, 20 times", func(fresh string, _ []string) error {
		for i := range 20 {
			path := fmt.Sprint(fresh, "synced", i)
			if err := os.WriteFile(path, benchText, 0o644); err != nil {
				return err
			}
			if err := syncPath(path); err != nil {
				return err
			}
		}
		return nil
	}},
	{"statfs, 500 times", func(fresh string, _ []string) error {
		var st unix.Statfs_t
		for range growthFiles {
			if err := unix.Statfs(filepath.Dir(fresh), &st); err != nil {
				return err
			}
		}
		return nil
	}},
}

func every(paths []string, fn func(string) error) error {
	for _, p := range paths {
		if err := fn(p); err != nil {
			return err
		}
	}
	return nil
}

func growth(t *testing.T, out *bytes.Buffer) {
	million := sized(1_000_000, 10_000)
	if env := os.Getenv("SPACEFS_BENCH_FILES"); env != "" {
		fmt.Sscan(env, &million)
	}
	sizes := []*grown{
		{what: "1,000 files", files: 1000, perDir: 100},
		{what: "100,000 files", files: million / 10, perDir: 100},
		{what: "1,000,000 files", files: million, perDir: 100},
		{what: "100,000 in one directory", files: million / 10, perDir: million},
	}
	for _, g := range sizes {
		g.bench = newBench(t)
		g.fill()
		start := time.Now()
		g.bench.mount("grown.space")
		g.mount = time.Since(start)
	}
	rounds := growthRounds
	if n, set := benchRounds(); set {
		rounds = min(n, rounds)
	}
	took := map[string][][]float64{}
	for round := range rounds {
		for i, g := range sizes {
			rng := rand.New(rand.NewSource(int64(round)))
			old := make([]string, growthFiles/5)
			for k := range old { // a stripe of the files for each round
				stripe := g.files / growthRounds / len(old)
				n := (round*len(old)+k)*stripe + rng.Intn(stripe)
				old[k] = g.bench.path("mnt", g.file(n))
			}
			fresh := g.bench.path("mnt", fmt.Sprint("new", round)) + "/"
			if g.perDir == million {
				fresh = g.bench.path("mnt", "0000", fmt.Sprint("new", round, "-")) // among them
			} else {
				g.bench.ok(os.Mkdir(fresh, 0o755))
			}
			for _, w := range growthWork {
				start := time.Now()
				g.bench.ok(w.do(fresh, old))
				for len(took[w.name]) <= i {
					took[w.name] = append(took[w.name], nil)
				}
				took[w.name][i] = append(took[w.name][i], time.Since(start).Seconds())
			}
			g.bench.settled("grown.space")
		}
	}
	for _, g := range sizes {
		pid := g.bench.status("grown.space").PID
		g.rss[0] = resident(t, pid)
		start := time.Now()
		g.bench.sh("find mnt -size -1k >/dev/null")
		g.walk = time.Since(start)
		g.rss[1] = resident(t, pid)
	}
	fmt.Fprint(out, "\n## Growth\n\nThe same work in spaces of different sizes: seconds for the first, then how many times as long. The old files are 100 that nobody has looked\n"+
		"at since the space was mounted; new ones are made in a new directory, or among the 100,000.\n\n| work |")
	for _, g := range sizes {
		fmt.Fprintf(out, " %s |", g.what)
	}
	fmt.Fprintf(out, "\n| --- |%s\n", strings.Repeat(" ---: |", len(sizes)))
	for _, w := range growthWork {
		first := median(took[w.name][0])
		fmt.Fprintf(out, "| %s | %.4f s |", w.name, first)
		for _, mine := range took[w.name][1:] {
			fmt.Fprintf(out, " %.2f |", median(mine)/first)
		}
		fmt.Fprintln(out)
	}
	row := func(name string, value func(*grown) string) {
		fmt.Fprintf(out, "| %s |", name)
		for _, g := range sizes {
			fmt.Fprintf(out, " %s |", value(g))
		}
		fmt.Fprintln(out)
	}
	row("mount", func(g *grown) string { return fmt.Sprintf("%.3f s", g.mount.Seconds()) })
	row("`find` over all files", func(g *grown) string { return fmt.Sprintf("%.2f s", g.walk.Seconds()) })
	row("memory of the daemon", func(g *grown) string { return fmt.Sprintf("%d MiB", g.rss[0]) })
	row("memory after `find`, which leaves all files in the kernel's cache", func(g *grown) string { return fmt.Sprintf("%d MiB", g.rss[1]) })
	for _, g := range sizes {
		g.bench.done("unmount", "-q", "mnt")
	}
	heap(t, out, sizes[2])
	for _, g := range sizes[:2] {
		g.bench.sound("grown.space")
	}
}

// fill makes the space as an import does: everything is sealed.
func (g *grown) fill() {
	store, err := spacedb.Create(g.bench.path("grown.space"), spacedb.Options{})
	g.bench.ok(err)
	tree := store.Tree(spacedb.Actor{Origin: spacedb.OriginImport})
	for i := range g.files {
		path := g.file(i)
		if i%g.perDir == 0 {
			_, err := tree.PlaceDir(filepath.Dir(path), spacedb.Guard{Absent: true}, 0o755, 1)
			g.bench.ok(err)
		}
		staged := tree.Stage()
		fmt.Fprintf(staged, "note %d\n%s", i, benchText[:200])
		_, err := tree.Place(path, spacedb.Guard{Absent: true}, staged, 0o644, 1)
		g.bench.ok(err)
	}
	g.bench.ok(store.Close())
	runtime.GC()
}

// resident is a process's memory in MiB.
func resident(t *testing.T, pid int) (mib int64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if kib, found := strings.CutPrefix(line, "VmRSS:"); found {
			fmt.Sscan(kib, &mib)
		}
	}
	return mib >> 10
}

// heap mounts the space in this process, walks all of it, and lists what is in
// the heap then.
func heap(t *testing.T, out *bytes.Buffer, g *grown) {
	store, err := spacedb.Open(g.bench.path("grown.space"), spacedb.Options{})
	g.bench.ok(err)
	defer store.Close()
	server, err := fusefs.Mount(store, g.bench.path("mnt"), fusefs.Options{})
	g.bench.ok(err)
	g.bench.sh("find mnt -size -1k >/dev/null")
	runtime.GC()
	var live runtime.MemStats
	runtime.ReadMemStats(&live)
	profile := g.bench.path("heap.pprof")
	f, err := os.Create(profile)
	g.bench.ok(err)
	g.bench.ok(pprof.WriteHeapProfile(f))
	g.bench.ok(f.Close())
	top, err := exec.Command("go", "tool", "pprof", "-sample_index=inuse_space", "-top", "-nodecount=8", profile).Output()
	g.bench.ok(err)
	fmt.Fprintf(out, "\nThe heap of a mount of %s after `find`: %d MiB in use.\n\n```\n%s```\n", g.what, live.HeapInuse>>20, profileRows(string(top)))
	g.bench.ok(server.Unmount())
	server.Wait()
}

// profileRows leaves out what pprof says of time and place.
func profileRows(top string) string {
	return regexp.MustCompile(`(?m)^(File|Build ID|Type|Time): .*\n`).ReplaceAllString(top, "")
}

// sizes is how large a space is that holds Go's source, and how much history costs.
func sizes(t *testing.T, out *bytes.Buffer) {
	b := newBench(t)
	root := strings.TrimSpace(b.sh("go env GOROOT"))
	source := filepath.Join(root, benchSource)
	content := bytesIn(t, source)
	b.done("init", "-q", "source.space")
	b.done("import", "-q", "source.space", source)
	space := fileSize(t, b.path("source.space"))
	fmt.Fprintf(out, "\n## Size\n\nA space of Go's source, %d MiB, is %d MiB: %.2f times (goal: 1.1).\n", content>>20, space>>20, float64(space)/float64(content))

	options := spacedb.Options{Quiet: 20 * time.Millisecond, Delay: 5 * time.Millisecond}
	store, err := spacedb.Create(b.path("saves.space"), options)
	b.ok(err)
	tree := store.Tree(spacedb.Actor{Origin: spacedb.OriginMount})
	a, err := tree.Mknod(spacedb.Root, "note.md", spacedb.TypeRegular|0o644, 0, spacedb.Cred{})
	b.ok(err)
	note := prose(20 << 10)
	save := func(text []byte) {
		size := int64(len(text))
		_, err := tree.SetAttr(a.ID, spacedb.AttrChange{Size: &size})
		b.ok(err)
		_, err = tree.WriteAt(a.ID, text, 0)
		b.ok(err)
		for st := store.Status(); st.Unsealed+st.Unpacked > 0 || st.TablesSeq < st.Seq; st = store.Status() {
			time.Sleep(10 * time.Millisecond)
		}
	}
	save(note)
	b.ok(store.Close())
	before := fileSize(t, b.path("saves.space"))
	store, err = spacedb.Open(b.path("saves.space"), options)
	b.ok(err)
	tree = store.Tree(spacedb.Actor{Origin: spacedb.OriginMount})
	for i := range 50 {
		at := i * 397 % len(note)
		note = append(note[:at:at], append(fmt.Appendf(nil, "edit %d ", i), note[at:]...)...)
		save(note)
	}
	b.ok(store.Close())
	after := fileSize(t, b.path("saves.space"))
	fmt.Fprintf(out, "50 saves of a note of 20 KiB with a few words added each add %d KiB (goal: 200).\n", (after-before)>>10)
	b.sound("source.space")
	b.sound("saves.space")
}

// prose is text that does not repeat itself.
func prose(size int) []byte {
	words := strings.Fields("space document mirror folder history merge editor write read sync note plan tree base winner loser the a of and to in is on for with")
	rng := rand.New(rand.NewSource(3))
	var text bytes.Buffer
	for text.Len() < size {
		fmt.Fprintf(&text, "%s%c", words[rng.Intn(len(words))], " \n"[rng.Intn(10)/9])
	}
	return text.Bytes()[:size]
}

func bytesIn(t *testing.T, dir string) (total int64) {
	t.Helper()
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
