package integration_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"spacefs/internal/seed"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A day's work in a short time: several people save, append, rename, delete and
// read, some keep files open, the mirror is edited and synced. What the daemon
// uses must not grow with it (but for a few idle readers of the file). Usually each
// does so and so much, as much in the first half as in the second whatever else the
// machine does. SPACEFS_SOAK says instead how long; `make soak` takes ten minutes.
func TestSoak(t *testing.T) {
	needFUSE(t)
	const samples = 8
	enough := func() func(who, did int) bool {
		return func(who, did int) bool { return did >= []int{600, 600, 30}[who] }
	}
	if length, err := time.ParseDuration(os.Getenv("SPACEFS_SOAK")); err == nil {
		enough = func() func(who, did int) bool {
			end := time.Now().Add(length / samples)
			return func(int, int) bool { return time.Now().After(end) }
		}
	}
	b := newBench(t)
	b.mkdir("mirror")
	b.mount("--create", "--mirror", "mirror", "docs.space")
	pid := b.status("docs.space").PID
	var early, before load // the most in the first half, and what the last sample but one had
	first := seed.Of(t)
	for i := range samples {
		seed := uint64(first) + uint64(i)
		operations := b.work(seed, enough())
		b.done("sync", "docs.space", "mirror")
		b.rest("docs.space")
		now := b.loadOf(pid)
		t.Logf("seed %d, %6d operations, %+v", seed, operations, now)
		if i < samples/2 {
			early = early.most(now)
		}
		// How much garbage there is just now, and who still answers a request, is
		// chance; what is left of the work stays.
		if i == samples-1 && now.grewFrom(early) && before.grewFrom(early) {
			t.Errorf("it grew from %+v", early)
		}
		before = now
	}
	b.unmount()
	b.eventually("the daemon ends", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
	b.sound("docs.space")
	b.agree("docs.space", "mirror")
}

// load is what the daemon uses.
type load struct {
	files, goroutines, threads, megabytes int
}

func (l load) most(m load) load {
	return load{max(l.files, m.files), max(l.goroutines, m.goroutines), max(l.threads, m.threads), max(l.megabytes, m.megabytes)}
}

func (l load) grewFrom(early load) bool {
	return l.files > early.files+12 || l.goroutines > early.goroutines+2 || l.megabytes > early.megabytes+early.megabytes/3+16
}

func (b *bench) loadOf(pid int) (l load) {
	b.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	b.ok(err)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	b.ok(err)
	l.files = len(files)
	l.goroutines = b.status("docs.space").Goroutines
	for line := range strings.Lines(string(status)) {
		f := strings.Fields(line)
		switch f[0] {
		case "VmRSS:":
			kilobytes, _ := strconv.Atoi(f[1])
			l.megabytes = kilobytes >> 10
		case "Threads:":
			l.threads, _ = strconv.Atoi(f[1])
		}
	}
	return l
}

// work lets three people work until each did enough; it returns how much they did.
func (b *bench) work(seed uint64, enough func(who, did int) bool) (operations int) {
	var all sync.WaitGroup
	counts := make([]int, 3)
	for who := range counts {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(who)))
			dir := b.path("mnt", fmt.Sprint("desk", who))
			if who == 2 { // the last works in the mirror
				dir = b.path("mirror", "desk2")
			}
			for ; !enough(who, counts[who]); counts[who]++ {
				if err := act(rng, dir); err != nil && !os.IsNotExist(err) && !os.IsExist(err) {
					b.Errorf("%s: %v", dir, err)
					return
				}
				if who == 2 {
					time.Sleep(20 * time.Millisecond) // a person, not a program
				}
			}
		})
	}
	all.Wait()
	for _, n := range counts {
		operations += n
	}
	return operations
}

// act is one thing that somebody does with one of some hundred documents.
func act(rng *rand.Rand, dir string) error {
	path := filepath.Join(dir, fmt.Sprint(rng.IntN(10)), fmt.Sprint(rng.IntN(20), ".md"))
	text := []byte(strings.Repeat("what somebody wrote\n", 1+rng.IntN(400)))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	switch rng.IntN(10) {
	case 0, 1, 2: // a save in place
		return os.WriteFile(path, text, 0o644)
	case 3, 4: // an atomic one
		if err := os.WriteFile(path+".tmp", text, 0o644); err != nil {
			return err
		}
		return os.Rename(path+".tmp", path)
	case 5:
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString("one more line\n")
		return err
	case 6:
		return os.Remove(path)
	case 7: // unlinked while it is read
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := os.Remove(path); err != nil {
			return err
		}
		_, err = f.Read(make([]byte, 10))
		if err == io.EOF {
			err = nil
		}
		return err
	case 8:
		return os.Rename(path, filepath.Join(dir, fmt.Sprint(rng.IntN(10), ".moved")))
	}
	_, err := os.ReadFile(path)
	return err
}
