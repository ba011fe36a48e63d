package integration_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// workload is something to measure, in a directory of its own that is empty at
// first. Only do is measured.
type workload struct {
	name    string
	goal    string                 // × the plain directory's time, on one CPU
	prepare func(dir string) error // once a round
	before  func(dir string) error // before each do
	do      func(dir string) error
	// keep: do changes nothing, so that what prepare made serves all rounds.
	keep bool
	// rounds is how many there are at most; 0: five, and one before that is not counted.
	rounds int
	// only names the contenders that take part; nil: all.
	only []string
	// sources: it works on the directory tree or a repository.
	sources bool
}

const (
	benchBlock  = 1 << 20
	benchTree   = "src/cmd/compile" // in Go's own directory
	benchSource = "src"
)

// How much of everything; tiny is only to see that all of it works.
var (
	tiny        = os.Getenv("SPACEFS_BENCH_TINY") != ""
	benchFiles  = sized(2000, 200)
	benchSyncs  = sized(200, 10)
	benchLines  = sized(5000, 500)
	benchBig    = int64(sized(128, 8)) << 20
	benchHuge   = int64(sized(4096, 64)) << 20
	benchRandom = sized(1000, 100)
	benchReads  = sized(20_000, 1000)
	benchRepo   = benchSource
)

func init() {
	if tiny {
		benchRepo = benchTree
	}
}

func sized(full, small int) int {
	if tiny {
		return small
	}
	return full
}

var benchText = []byte(strings.Repeat("what a person writes in a note\n", 200))[:4096]

func benchFile(dir string, i int) string { return fmt.Sprintf("%s/s/%d/note-%d.md", dir, i/100, i) }

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
			if err := os.MkdirAll(filepath.Dir(benchFile(dir, i)), 0o755); err != nil {
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

// saveSynced is what a careful editor does.
func saveSynced(dir string) error {
	for i := range benchSyncs {
		temporary := fmt.Sprint(dir, "/note.md.", i)
		f, err := os.Create(temporary)
		if err != nil {
			return err
		}
		_, err = f.Write(benchText)
		if err == nil {
			err = f.Sync()
		}
		f.Close()
		if err == nil {
			err = os.Rename(temporary, dir+"/note.md")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeOften appends to a log, and syncs each time or never.
func writeOften(times, size int, sync bool) func(string) error {
	return func(dir string) error {
		f, err := os.OpenFile(dir+"/log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		for range times {
			if _, err := f.Write(benchText[:size]); err != nil {
				return err
			}
			if sync {
				if err := f.Sync(); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func writeLarge(size int64) func(string) error {
	return func(dir string) error {
		f, err := os.Create(dir + "/big")
		if err != nil {
			return err
		}
		defer f.Close()
		block := make([]byte, benchBlock)
		rand.New(rand.NewSource(1)).Read(block)
		for i := range size / benchBlock {
			block[0] = byte(i)
			if _, err := f.Write(block); err != nil {
				return err
			}
		}
		return nil
	}
}

func mebibytes(size int64) string { return fmt.Sprint(size>>20, " MiB") }

func syncBig(dir string) error { return syncPath(dir + "/big") }

// onBig opens the large file without Go's poller and does something many times.
func onBig(flags, times int, fn func(fd int, rng *rand.Rand) error) func(string) error {
	return func(dir string) error {
		fd, err := unix.Open(dir+"/big", flags|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		rng := rand.New(rand.NewSource(2))
		for range times {
			if err := fn(fd, rng); err != nil {
				return err
			}
		}
		if flags != unix.O_RDONLY {
			return unix.Fsync(fd)
		}
		return nil
	}
}

func readBig(dir string) error {
	block := make([]byte, benchBlock)
	return onBig(unix.O_RDONLY, int(benchBig/benchBlock), func(fd int, _ *rand.Rand) error {
		_, err := unix.Read(fd, block)
		return err
	})(dir)
}

func randomBlock(rng *rand.Rand) int64 { return rng.Int63n(benchBig/4096) * 4096 }

// dropCaches makes what follows cold: nothing of it is in the kernel's memory.
func dropCaches(string) error {
	unix.Sync()
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
}

func walkTree(dir string) error {
	return filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil {
			_, err = e.Info()
		}
		return err
	})
}

func readTree(dir string) error {
	return filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		_, err = os.ReadFile(p)
		return err
	})
}

// copyFiles copies directories and files, each read and written at once: os.CopyFS
// would let the kernel copy where both are on one filesystem.
func copyFiles(from, to string) error {
	return filepath.WalkDir(from, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(p, from)
		switch {
		case e.IsDir():
			return os.MkdirAll(target, 0o755)
		case !e.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o644)
	})
}

// running is a command on dir; it must succeed.
func running(name string, args ...string) func(dir string) error {
	return func(dir string) error {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %v: %s", name, err, bytes.TrimSpace(out))
		}
		return nil
	}
}

// workloads are what `make bench` measures. source is a directory tree, repo a
// Git repository of 10,000 files.
func workloads(source, repo string) []workload {
	statAll := each(func(p string) error { _, err := os.Lstat(p); return err })
	readAll := each(func(p string) error { _, err := os.ReadFile(p); return err })
	writeBig, big := writeLarge(benchBig), mebibytes(benchBig)
	copyTree := func(dir string) error { return copyFiles(source, dir+"/t") }
	cloned := running("git", "clone", "-q", "--no-hardlinks", source+".git", "r")
	grep := running("grep", "-rc", "func main", "t")
	gitStatus := running("git", "-C", "r", "status", "-s")
	few := []string{"plain directory", "spacefs", "go-fuse's loopback", "gocryptfs"}
	list := []workload{
		{name: "create", goal: "1.0", do: createAll},
		{name: "stat, warm", goal: "1.2", prepare: inOrder(createAll, statAll), do: statAll, keep: true},
		{name: "read, warm", goal: "1.3", prepare: inOrder(createAll, readAll, readAll), do: readAll, keep: true},
		{name: "walk, cold", goal: "1.5", prepare: createAll, before: dropCaches, do: walkTree, keep: true},
		{name: "read, cold", goal: "1.0", prepare: createAll, before: dropCaches, do: readAll, keep: true},
		{name: "overwrite", goal: "3", prepare: createAll, do: each(func(p string) error { return os.WriteFile(p, benchText[1:], 0o644) })},
		{name: "rename", goal: "4", prepare: createAll, do: each(func(p string) error { return os.Rename(p, p+".renamed") })},
		{name: "unlink", goal: "3", prepare: createAll, do: each(os.Remove)},
		{name: "save by rename", prepare: createAll, do: each(func(p string) error {
			if err := os.WriteFile(p+".new", benchText, 0o644); err != nil {
				return err
			}
			return os.Rename(p+".new", p)
		})},
		{name: fmt.Sprintf("save by fsync and rename, %d times", benchSyncs), goal: "1.3", do: saveSynced},
		{name: fmt.Sprintf("append 4 KiB and fsync, %d times", benchSyncs), goal: "1.3", do: writeOften(benchSyncs, 4096, true)},
		{name: fmt.Sprintf("append 256 bytes, %d times", benchLines), goal: "18", do: writeOften(benchLines, 256, false)},
		{name: "write " + big, goal: "4", do: writeBig},
		{name: "write " + big + " and fsync", goal: "2.5", do: inOrder(writeBig, syncBig)},
		{name: "read " + big + ", cold", goal: "1.2", prepare: inOrder(writeBig, syncBig), before: dropCaches, do: readBig, keep: true},
		{name: "read " + big + ", warm", goal: "1.3", prepare: inOrder(writeBig, syncBig, readBig), do: readBig, keep: true},
		{name: fmt.Sprintf("read 4 KiB at %d random places, warm", benchReads), goal: "1.2", prepare: inOrder(writeBig, syncBig, readBig), keep: true,
			do: onBig(unix.O_RDONLY, benchReads, func(fd int, rng *rand.Rand) error {
				var block [4096]byte
				_, err := unix.Pread(fd, block[:], randomBlock(rng))
				return err
			})},
		{name: fmt.Sprintf("write 4 KiB at %d random places, and fsync", benchRandom), goal: "1.5", prepare: inOrder(writeBig, syncBig),
			do: onBig(unix.O_WRONLY, benchRandom, func(fd int, rng *rand.Rand) error {
				_, err := unix.Pwrite(fd, benchText, randomBlock(rng))
				return err
			})},
		{name: "copy a tree in", sources: true, goal: "1.2", do: copyTree, rounds: 3},
		{name: "read a tree", sources: true, goal: "1.3", prepare: inOrder(copyTree, readTree, readTree), do: readTree, keep: true},
		{name: "grep -r", sources: true, goal: "1.3", prepare: inOrder(copyTree, readTree, grep, grep), do: grep, keep: true},
		{name: "remove a tree", sources: true, goal: "2", prepare: copyTree, do: func(dir string) error { return os.RemoveAll(dir + "/t") }, rounds: 3},
		{name: "git status", sources: true, goal: "1.3", prepare: inOrder(cloned, gitStatus, gitStatus), do: gitStatus, keep: true},
		{name: "git clone of 10,000 files", sources: true, goal: "2", do: running("git", "clone", "-q", "--no-hardlinks", repo, "r"), rounds: 3, only: few},
		{name: "write " + mebibytes(benchHuge) + " and fsync", goal: "3", do: inOrder(writeLarge(benchHuge), syncBig), rounds: 1, only: []string{"plain directory", "spacefs", "gocryptfs"}},
	}
	if os.Getuid() != 0 { // only root may drop the kernel's caches
		list = slices.DeleteFunc(list, func(w workload) bool { return w.before != nil })
	}
	return list
}
