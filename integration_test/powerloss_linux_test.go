package integration_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spacefs/fusefs"
	"spacefs/spacedb"
)

// Power loss: a space on a disk that forgets, mounted and worked in at random.
// After each cut the space must open and verify, and its tree must be what it
// was after some prefix of the operations that has everything that was synced.

// state is a tree as one number, so that thousands can be kept: the exclusive or
// of a hash of each entry.
type state [sha256.Size]byte

func (s state) with(path string, content []byte) state {
	sum := sha256.Sum256(append([]byte(path+"\x00"), content...))
	for i := range s {
		s[i] ^= sum[i]
	}
	return s
}

// directoryMark is the content of what is no file.
var directoryMark = []byte("a directory")

// history is the state after each operation.
type history struct {
	mu     sync.Mutex
	states []state
	what   []string
	synced atomic.Int64 // all operations up to it survive
}

func (h *history) add(s state, what string) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.states = append(h.states, s)
	h.what = append(h.what, what)
	return int64(len(h.states) - 1)
}

func (h *history) last() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return int64(len(h.states) - 1)
}

// find says after which operation from first to last the tree was s.
func (h *history) find(s state, first, last int64) (int64, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := last; i >= first; i-- {
		if h.states[i] == s {
			return i, true
		}
	}
	return 0, false
}

// worker does random things in a mounted folder, one system call a time, and
// says beforehand what they come to.
type worker struct {
	root string
	rng  *rand.Rand
	tree map[string][]byte // path to content
	now  state
	log  *history
}

var errUnexpected = errors.New("it is not as the model says")

// set is what an operation changes: paths and their new contents, nil for none.
func (w *worker) set(what string, changes map[string][]byte, do func() error) error {
	for path, content := range changes {
		if old, ok := w.tree[path]; ok {
			w.now = w.now.with(path, old)
			delete(w.tree, path)
		}
		if content != nil {
			w.now = w.now.with(path, content)
			w.tree[path] = content
		}
	}
	w.log.add(w.now, what)
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w: %w", what, errUnexpected, err)
	}
	return nil
}

func (w *worker) at(path string) string { return filepath.Join(w.root, path) }

var workNames = []string{"a", "b", "c", "d", "e~", "dir/a", "dir/b", "dir/c", "dir/sub/a"}

// step is one operation, or a few that belong together.
func (w *worker) step() error {
	path, other := workNames[w.rng.Intn(len(workNames))], workNames[w.rng.Intn(len(workNames))]
	content, exists := w.tree[path]
	for _, p := range []string{path, other} {
		if dir := filepath.Dir(p); w.tree[dir] == nil && dir != "." {
			return w.makeDir(dir)
		}
	}
	switch n := w.rng.Intn(20); {
	case !exists:
		return w.set("create "+path, map[string][]byte{path: {}}, func() error {
			return unix.Mknod(w.at(path), unix.S_IFREG|0o644, 0)
		})
	case n < 8:
		return w.write(path, content)
	case n < 10:
		size := w.rng.Intn(len(content) + 1000)
		return w.set(fmt.Sprintf("truncate %s to %d", path, size), map[string][]byte{path: resized(append([]byte{}, content...), int64(size))},
			func() error { return os.Truncate(w.at(path), int64(size)) })
	case n < 13 && path != other:
		return w.set("rename "+path+" to "+other, map[string][]byte{path: nil, other: content},
			func() error { return unix.Rename(w.at(path), w.at(other)) })
	case n < 15:
		return w.set("unlink "+path, map[string][]byte{path: nil}, func() error { return unix.Unlink(w.at(path)) })
	case n < 16:
		return w.removeDir("dir/sub")
	}
	return w.sync(path)
}

func (w *worker) makeDir(dir string) error {
	if up := filepath.Dir(dir); up != "." && w.tree[up] == nil {
		return w.makeDir(up)
	}
	return w.set("mkdir "+dir, map[string][]byte{dir: directoryMark}, func() error { return unix.Mkdir(w.at(dir), 0o755) })
}

func (w *worker) removeDir(dir string) error {
	for p := range w.tree {
		if strings.HasPrefix(p, dir+"/") {
			return nil
		}
	}
	if w.tree[dir] == nil {
		return nil
	}
	return w.set("rmdir "+dir, map[string][]byte{dir: nil}, func() error { return unix.Rmdir(w.at(dir)) })
}

func (w *worker) write(path string, content []byte) error {
	size := []int{1, 100, 100, 1000, 4096, 5000, 5000, 70_000}[w.rng.Intn(8)]
	off := w.rng.Intn(len(content) + 1)
	if w.rng.Intn(3) == 0 {
		off += w.rng.Intn(80_000)
	}
	if off+size > 250_000 {
		off, size = 0, 10
	}
	data := make([]byte, size)
	w.rng.Read(data)
	// The kernel may divide a write where a page ends, so each of these is a state.
	for end := (off/4096 + 1) * 4096; end < off+size; end += 4096 {
		part := dataChange{int64(off), data[:end-off]}.apply(append([]byte{}, content...))
		w.log.add(w.now.with(path, content).with(path, part), "a part of a write")
	}
	after := dataChange{int64(off), data}.apply(append([]byte{}, content...))
	return w.set(fmt.Sprintf("write %d bytes at %d of %s", size, off, path), map[string][]byte{path: after}, func() error {
		fd, err := unix.Open(w.at(path), unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		n, err := unix.Pwrite(fd, data, int64(off))
		if err == nil && n != size {
			err = io.ErrShortWrite
		}
		return err
	})
}

// sync changes something and syncs that; then it and all before it must survive.
func (w *worker) sync(path string) error {
	what := path
	if w.rng.Intn(3) == 0 { // a name, and its directory
		what = filepath.Dir(path)
		if err := w.set("unlink "+path, map[string][]byte{path: nil}, func() error { return unix.Unlink(w.at(path)) }); err != nil {
			return err
		}
	} else if err := w.write(path, w.tree[path]); err != nil {
		return err
	}
	done := w.log.last()
	fd, err := unix.Open(w.at(what), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Fsync(fd); err != nil {
		return err
	}
	w.log.synced.Store(done)
	return nil
}

// powerCuts is how many cuts a test makes.
func powerCuts(t *testing.T, usual int) int {
	text := os.Getenv("SPACEFS_POWER_CUTS")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal("SPACEFS_POWER_CUTS: ", err)
	}
	return n
}

// stormy is a space on a forgetting disk, mounted and being worked in.
type stormy struct {
	*testing.T
	disk *diskProcess
	log  *history
	rng  *rand.Rand
	stop atomic.Bool
	done chan error

	image string // what the last cut left; it stays when something is wrong with it
}

// soon has many commits in a short test.
const soon = 4 * time.Millisecond

// onDisk is a space on a disk of the tests' own, mounted. What nobody waits for is
// committed after the delay.
func onDisk(t *testing.T, delay time.Duration) (*diskProcess, *spacedb.Store, *fusefs.Server) {
	t.Helper()
	needFUSE(t)
	dir := t.TempDir()
	for _, name := range []string{"disk", "mnt"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d, err := startDisk(filepath.Join(dir, "disk"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.stop()
		_ = unix.Unmount(filepath.Join(dir, "disk"), unix.MNT_DETACH)
	})
	store, err := spacedb.Create(filepath.Join(dir, "disk", "test.space"), spacedb.Options{
		Quiet: 40 * time.Millisecond, Delay: delay, WAL: 300 << 10, Dirty: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	server, err := fusefs.Mount(store, filepath.Join(dir, "mnt"), fusefs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store.SetBusy(server.Busy)
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Error(err)
			_ = server.Detach()
		}
		server.Wait()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, store, server
}

func newStorm(t *testing.T, deaf bool) *stormy {
	t.Helper()
	rng := seeded(t)
	d, _, server := onDisk(t, soon)
	if deaf {
		if err := d.deaf(); err != nil {
			t.Fatal(err)
		}
	}
	s := &stormy{T: t, disk: d, log: &history{}, rng: rng, done: make(chan error, 1)}
	s.log.add(state{}, "nothing")
	w := &worker{root: server.Dir(), rng: rand.New(rand.NewSource(rng.Int63())), tree: map[string][]byte{}, log: s.log}
	go func() {
		for !s.stop.Load() {
			if err := w.step(); err != nil {
				s.done <- err
				return
			}
		}
		s.done <- nil
	}()
	t.Cleanup(func() {
		s.stop.Store(true)
		if err := <-s.done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// cut takes the power away from a copy of the disk and looks at what is left;
// the work goes on meanwhile.
func (s *stormy) cut() error {
	ways := make([]string, 0, len(forgetting))
	for way := range forgetting {
		ways = append(ways, way)
	}
	sort.Strings(ways)
	seed, way := s.rng.Int63(), ways[s.rng.Intn(len(ways))]
	dir, err := os.MkdirTemp(memory(), "spacefs-cut-")
	if err != nil {
		return err
	}
	s.image = dir
	first := s.log.synced.Load()
	if err := s.disk.cut(seed, way, dir); err != nil {
		return err
	}
	last := s.log.last()
	if err := s.verify(filepath.Join(dir, "test.space"), first, last); err != nil {
		return fmt.Errorf("after a cut that forgot %s, operations %d to %d, see %s: %w", way, first, last, dir, err)
	}
	return os.RemoveAll(dir)
}

// memory is where what is left after a cut is looked at: the looking syncs too.
func memory() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func (s *stormy) verify(space string, first, last int64) error {
	store, err := spacedb.Open(space, spacedb.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	findings, err := store.Check(context.Background())
	if err != nil {
		return err
	}
	if len(findings) > 0 {
		return fmt.Errorf("check: %v", findings)
	}
	found, listing, err := stateOf(store)
	if err != nil {
		return err
	}
	if _, ok := s.log.find(found, first, last); ok {
		return nil
	}
	if n, ok := s.log.find(found, 0, first); ok {
		return fmt.Errorf("the tree is as after operation %d: what was synced later is lost (%s)", n, s.log.what[n])
	}
	return fmt.Errorf("the tree was never so:\n%s", listing)
}

func stateOf(store *spacedb.Store) (s state, listing string, err error) {
	v, err := store.Snapshot(context.Background())
	if err != nil {
		return s, "", err
	}
	defer v.Close()
	err = v.Walk(context.Background(), "", func(it spacedb.Item) error {
		content := directoryMark
		if !it.Attr.IsDir() {
			r, err := v.Open(it.Attr.ID)
			if err != nil {
				return err
			}
			if content, err = io.ReadAll(r); err != nil {
				return err
			}
		}
		s = s.with(it.Path, content)
		listing += fmt.Sprintf("%s %d bytes\n", it.Path, len(content))
		return nil
	})
	return s, listing, err
}

func TestPowerLossLosesNothingThatWasSynced(t *testing.T) {
	const each = 50 // a space grows old: what was written is looked at in every cut
	for left := powerCuts(t, 100); left > 0; left -= each {
		t.Run(fmt.Sprint(left), func(t *testing.T) {
			s := newStorm(t, false)
			for range min(left, each) {
				time.Sleep(time.Duration(s.rng.Intn(8000)) * time.Microsecond)
				if err := s.cut(); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("%d operations, %d of them synced", s.log.last(), s.log.synced.Load())
		})
	}
}

// A harness that never fails proves nothing: the same must be found out when
// the disk only says that it synced.
func TestPowerLossFindsADiskThatDoesNotSync(t *testing.T) {
	s := newStorm(t, true)
	for range 300 {
		time.Sleep(time.Duration(s.rng.Intn(4000)) * time.Microsecond)
		if err := s.cut(); err != nil {
			t.Logf("found: %v", err)
			os.RemoveAll(s.image)
			return
		}
	}
	t.Error("300 cuts on a disk that does not sync, and nothing was noticed")
}

// TestPowerLossFindsASabotagedEngine runs with the build tag sabotage; see `make
// sabotage`.
func TestPowerLossFindsASabotagedEngine(t *testing.T) {
	if os.Getenv("SPACEFS_SABOTAGE") == "" {
		t.Skip("this is for builds that are sabotaged; see make sabotage")
	}
	s := newStorm(t, false)
	for range 500 {
		time.Sleep(time.Duration(s.rng.Intn(4000)) * time.Microsecond)
		if err := s.cut(); err != nil {
			t.Logf("found: %v", err)
			os.RemoveAll(s.image)
			return
		}
	}
	t.Error("500 cuts, and nothing was noticed")
}
