package materialize

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"spacefs/conflict"
	"spacefs/internal/attributes"
	"spacefs/spacedb"
)

// The fault walk: one representative sync, and at each of its steps on the mirror
// a failure, a disk that is broken from then on, or the end of the process. After
// each of them the next sync completes, no content is lost, and nothing
// half-written stays.

// walkVariable asks for every step; otherwise some are taken.
const walkVariable = "SPACEFS_FAULT_WALK"

// stage0 is a space and a mirror between which there is something of everything
// to do, to be copied.
type stage0 struct {
	dir      string
	contents []string // that must not be lost
}

func newStage0(t *testing.T) *stage0 {
	t.Helper()
	dir := t.TempDir()
	store, err := spacedb.Create(filepath.Join(dir, "test.space"), spacedb.Options{Quiet: time.Hour, Delay: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	st := &stage0{dir: dir}
	p := &pair{t, store, store.Tree(spacedb.Actor{Origin: spacedb.OriginMount}), filepath.Join(dir, "mirror")}
	p.ok(os.Mkdir(p.dir, 0o755))
	text := func(name string) string {
		st.contents = append(st.contents, "text "+name)
		return "text " + name
	}
	both := []string{
		"edited here", "edited there", "gone here", "gone there", "conflict", "edited and gone", "mode", "to directory",
		"d/deep/a", "d/deep/b", "from directory/a", "from directory/b", "kept/a", "kept/gone",
	}
	for _, name := range both {
		p.inSpace(name, text(name))
	}
	p.inSpace("link", "@old target")
	for i, name := range []string{"edited here", "edited there", "conflict", "mode", "d", "kept", "kept/a"} {
		p.attribute(i%2 == 0, name, "user.base", "base "+name)
	}
	p.sync(withMetadata())
	for i, name := range []string{"edited here", "edited there", "kept", "kept/a", "mode", "gone here"} {
		p.attribute(i%2 == 0, name, "user.new", "new "+name)
		p.attribute(i%2 == 1, name, "user.other", "other "+name)
	}
	p.attribute(true, "kept/a", "user.base", "the space's")
	p.attribute(false, "kept/a", "user.base", "the mirror's")
	p.attribute(false, "kept", "user.base", "")
	p.inSpace("edited here", text("edited here again"))
	p.inMirror("edited there", text("edited there again"))
	p.inSpace("gone here", "")
	p.inMirror("gone there", "")
	p.inSpace("conflict", text("the space's"))
	p.inMirror("conflict", text("the mirror's"))
	p.inSpace("edited and gone", "")
	p.inMirror("edited and gone", text("outlives"))
	p.chmod(true, "mode", 0o600)
	p.inSpace("to directory", "")
	p.inSpace("to directory/x", text("x"))
	p.inSpace("from directory", text("a file now"))
	p.inSpace("d", "")
	p.inMirror("kept/gone", "")
	p.inSpace("link", "@new target")
	p.inSpace("made/deep/down", text("down"))
	p.inMirror("found/deep/down", text("found"))
	p.inSpace("narrow/inside", text("inside"))
	p.attribute(true, "narrow/inside", "user.new", "inside")
	p.attribute(true, "narrow", "user.new", "narrow")
	p.chmod(true, "narrow", 0o500)
	for i := range parcelFiles + 4 { // more than a few, so that they are made durable at once, and by several
		name := fmt.Sprint("many/", i)
		p.inSpace(name, text(name))
	}
	p.ok(store.Close())
	return st
}

// enact makes a copy and hands it to fn.
func (st *stage0) enact(t *testing.T, fn func(p *pair)) {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("cp", "-a", st.dir+"/.", dir).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	defer func() { _ = exec.Command("chmod", "-R", "u+rwX", dir).Run() }()
	store := openWalked(t, dir)
	p := &pair{t, store, store.Tree(spacedb.Actor{Origin: spacedb.OriginMount}), filepath.Join(dir, "mirror")}
	fn(p)
}

func openWalked(t *testing.T, dir string) *spacedb.Store {
	t.Helper()
	store, err := spacedb.Open(filepath.Join(dir, "test.space"), spacedb.Options{Quiet: time.Hour, Delay: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// recovers checks what must hold after whatever happened.
func (st *stage0) recovers(p *pair) {
	p.Helper()
	p.sync(SyncOptions{Rules: conflict.Rules{Strategies: []conflict.Strategy{conflict.SpaceWins}}})
	p.agree()
	p.quiet("after the next sync")
	st.nothingLost(p)
}

// nothingLost checks it, and closes the space.
func (st *stage0) nothingLost(p *pair) {
	p.Helper()
	for _, text := range st.contents {
		if have, err := p.store.HasContent(sha256.Sum256([]byte(text))); err != nil || !have {
			p.Errorf("%q is lost (%v)", text, err)
		}
	}
	p.nothingStaged()
	findings, err := p.store.Check(context.Background())
	p.ok(err)
	for _, f := range findings {
		p.Errorf("check: %s", f)
	}
	p.ok(p.store.Close())
}

// nothingStaged: nothing half-made is left in the mirror.
func (p *pair) nothingStaged() {
	p.Helper()
	p.ok(filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if strings.HasPrefix(d.Name(), stagedPrefix) {
			p.Errorf("%s stayed", path)
		}
		return err
	}))
}

func walkOptions(wrap func(disk) disk) SyncOptions {
	return SyncOptions{AcceptDeletes: true, wrap: wrap, Rules: conflict.Rules{Strategies: []conflict.Strategy{conflict.SpaceWins}}}
}

// steps counts what a run does to its mirror.
func (st *stage0) steps(t *testing.T) (n int) {
	t.Helper()
	st.enact(t, func(p *pair) {
		counter := &faulty{}
		_, err := Sync(t.Context(), p.store, p.dir, walkOptions(counter.over))
		p.ok(err)
		n = counter.step
		st.recovers(p)
	})
	return n
}

// stepsOf tells which steps to take: all when asked for, else one in every.
func stepsOf(steps, every int) (list []int) {
	if os.Getenv(walkVariable) != "" {
		every = 1
	}
	for n := (every + 1) / 2; n <= steps; n += every {
		list = append(list, n)
	}
	return list
}

func TestAFailureAtAnyStep(t *testing.T) {
	st := newStage0(t)
	steps := st.steps(t)
	took := 0
	for _, fault := range []struct {
		name  string
		errno syscall.Errno
		on    bool // and from then on
	}{{"EIO", syscall.EIO, false}, {"ENOSPC", syscall.ENOSPC, false}, {"EIO from then on", syscall.EIO, true}, {"ENOSPC from then on", syscall.ENOSPC, true}} {
		for _, n := range stepsOf(steps, 9) {
			took++
			t.Run(fmt.Sprintf("%s at step %d", fault.name, n), func(t *testing.T) {
				st.enact(t, func(p *pair) {
					f := &faulty{at: n, on: fault.on, fail: func() error { return fault.errno }}
					r, err := Sync(t.Context(), p.store, p.dir, walkOptions(f.over))
					if err == nil && len(r.Failed) == 0 && f.last != "chmod" && f.last != "sync" {
						t.Errorf("nobody heard of it (%s)", f.last)
					}
					st.recovers(p)
				})
			})
		}
	}
	t.Logf("%d steps, %d faults", steps, took)
}

func TestTheEndOfTheProcessAtAnyStep(t *testing.T) {
	if n, _ := strconv.Atoi(os.Getenv("SPACEFS_TEST_DIE_AT")); n > 0 {
		dieAt(t, n)
	}
	st := newStage0(t)
	steps := st.steps(t)
	list := stepsOf(steps, 7)
	for _, n := range list {
		t.Run(fmt.Sprintf("step %d", n), func(t *testing.T) {
			st.enact(t, func(p *pair) {
				p.dies(n, 0)
				st.recovers(p)
			})
		})
	}
	t.Logf("%d steps, killed at %d", steps, len(list))
}

// An undo that was killed is simply run again; or a sync comes first, which
// loses nothing either.
func TestTheEndOfTheProcessAtAnyStepOfAnUndo(t *testing.T) {
	st := newStage0(t)
	steps := 0
	undone := func(n int) {
		st.enact(t, func(p *pair) {
			before := p.sides()
			run := p.sync(SyncOptions{Rules: conflict.Rules{Strategies: []conflict.Strategy{conflict.SpaceWins}}}).Run
			counter := &faulty{}
			switch {
			case n == 0:
				_, err := Undo(t.Context(), p.store, run, UndoOptions{wrap: counter.over})
				p.ok(err)
				steps = counter.step
			case n%2 == 0:
				p.dies(n, run)
				if r := p.undo(run); len(r.Failed) > 0 {
					t.Errorf("left: %v", r.Failed)
				}
				p.quiet("after undo") // and takes away what was half-written
			default:
				p.dies(n, run)
				p.sync(SyncOptions{})
				p.quiet("after the next sync")
				before = p.sides()
			}
			if now := p.sides(); now != before {
				t.Errorf("it is\n%s\ninstead of\n%s", now, before)
			}
			st.nothingLost(p)
		})
	}
	undone(0)
	list := stepsOf(steps, 7)
	for _, n := range list {
		t.Run(fmt.Sprintf("step %d", n), func(t *testing.T) { undone(n) })
	}
	t.Logf("%d steps, killed at %d", steps, len(list))
}

// dies lets a child run a sync, or the undo of a run, that is killed at a step.
func (p *pair) dies(n int, undo int64) {
	p.Helper()
	p.ok(p.store.Close())
	child := exec.Command(os.Args[0], "-test.run=^TestTheEndOfTheProcessAtAnyStep$")
	child.Env = append(os.Environ(), fmt.Sprint("SPACEFS_TEST_DIE_AT=", n), fmt.Sprint("SPACEFS_TEST_UNDO=", undo), "SPACEFS_TEST_DIR="+filepath.Dir(p.dir))
	out, _ := child.CombinedOutput()
	if status := child.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() {
		p.Fatalf("it was not killed: %s", out)
	}
	p.store = openWalked(p.T, filepath.Dir(p.dir))
	p.tree = p.store.Tree(spacedb.Actor{Origin: spacedb.OriginMount})
}

// dieAt is the child that is killed.
func dieAt(t *testing.T, n int) {
	dir := os.Getenv("SPACEFS_TEST_DIR")
	store := openWalked(t, dir)
	f := &faulty{at: n, fail: func() error {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}}
	var err error
	if run, _ := strconv.ParseInt(os.Getenv("SPACEFS_TEST_UNDO"), 10, 64); run > 0 {
		_, err = Undo(t.Context(), store, run, UndoOptions{Dir: filepath.Join(dir, "mirror"), wrap: f.over})
	} else {
		_, err = Sync(t.Context(), store, filepath.Join(dir, "mirror"), walkOptions(f.over))
	}
	t.Fatalf("there is no step %d (%v)", n, err)
}

// faulty fails at a step. A file that is being written is there in part; every
// second rename, removal and the like has been done and says that it failed, as
// a disk may.
type faulty struct {
	mu       sync.Mutex // guards step and last: several goroutines work on a mirror
	step, at int
	on       bool
	fail     func() error
	last     string // what failed
}

// over is a disk that may fail; all count their steps together.
func (f *faulty) over(d disk) disk { return faultyDisk{d, f} }

// due counts a step and says whether it fails.
func (f *faulty) due(what string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.step++
	due := f.at > 0 && (f.step == f.at || f.on && f.step > f.at)
	if due {
		f.last = what
	}
	return due
}

func (f *faulty) do(what string, step func() error) error {
	if !f.due(what) {
		return step()
	}
	if f.at%2 == 0 {
		_ = step()
	}
	return f.fail()
}

type faultyDisk struct {
	disk
	*faulty
}

func (f faultyDisk) create(path string, content io.Reader, as conflict.Entry, mtime int64) (stamp, []refused, error) {
	if f.due("create") {
		_, _, _ = f.disk.create(path, io.LimitReader(content, 3), as, mtime)
		return stamp{}, nil, f.fail()
	}
	return f.disk.create(path, content, as, mtime)
}

func (f faultyDisk) attribute(path string, changes []attributes.Change) (not []refused, err error) {
	err = f.do("attribute", func() (err error) {
		not, err = f.disk.attribute(path, changes)
		return err
	})
	return not, err
}

func (f faultyDisk) syncFile(path string) error {
	return f.do("sync", func() error { return f.disk.syncFile(path) })
}

func (f faultyDisk) syncAll() error { return f.do("sync", f.disk.syncAll) }

func (f faultyDisk) rename(dir, from, to string, absent bool) error {
	return f.do("rename", func() error { return f.disk.rename(dir, from, to, absent) })
}

func (f faultyDisk) mkdir(path string, perm uint32) error {
	return f.do("mkdir", func() error { return f.disk.mkdir(path, perm) })
}

func (f faultyDisk) symlink(target, path string) error {
	return f.do("symlink", func() error { return f.disk.symlink(target, path) })
}

func (f faultyDisk) chmod(path string, perm uint32) error {
	return f.do("chmod", func() error { return f.disk.chmod(path, perm) })
}

func (f faultyDisk) remove(path string) error {
	return f.do("remove", func() error { return f.disk.remove(path) })
}
