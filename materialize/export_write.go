package materialize

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"syscall"

	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// One goroutine reads the space, several write: making files is what an export
// spends its time on, in the kernel. Small documents travel in batches of one
// directory, so that it is opened once; large ones the reader copies itself.
const (
	largeDocument = 256 << 10
	readAhead     = 1 << 20
	filesAhead    = 256
)

// treeWriter writes the files of a new tree.
type treeWriter struct {
	plan    *exportPlan
	root    *os.Root
	batches chan fileBatch
	workers sync.WaitGroup
	durable *writeback // of who reads the space; whoever made the writer closes it

	noAttributes bool // the filesystem has none

	mu      sync.Mutex
	failed  map[int]error     // by index of the entry
	refused map[int][]refused // attributes, likewise
	fatal   error             // nothing more can be written
}

func newTreeWriter(p *exportPlan, root *os.Root) *treeWriter {
	return &treeWriter{
		plan: p, root: root, batches: make(chan fileBatch, 8), durable: &writeback{root: root},
		failed: map[int]error{}, refused: map[int][]refused{},
	}
}

// writeTree fills dir, an empty directory: the files, and then the manifest. All of
// it is durable then.
func (x *exporter) writeTree(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	plan, err := x.plan()
	if err != nil {
		return err
	}
	w := newTreeWriter(plan, root)
	defer w.durable.close()
	x.options.Reporter.Tell(Event{Event: Progress, Phase: "export", Total: len(plan.entries)})
	if err := x.writeFiles(w); err != nil {
		return x.nothingDone(err)
	}
	written := x.account(plan, w.failed)
	for i, not := range w.refused {
		x.failAttributes(plan.entries[i].Name, not)
	}
	if err := writeManifest(root, manifest.Name, written); err != nil {
		return err
	}
	return w.durable.sync()
}

// writeFiles makes the whole tree below w.root.
func (x *exporter) writeFiles(w *treeWriter) error {
	if err := w.durable.open(); err != nil {
		return err
	}
	if w.noAttributes = x.options.Metadata && !takesAttributes(w.root); w.noAttributes {
		x.result.Notices = append(x.result.Notices, "extended attributes are in the manifest only: the filesystem of "+x.dir+" has none")
	}
	for range max(2, runtime.GOMAXPROCS(0)) {
		w.workers.Add(1)
		go w.work()
	}
	groups := byDirectory(w.plan.entries)
	err := x.feed(w, groups)
	close(w.batches)
	w.workers.Wait()
	if err == nil {
		err = w.fatal
	}
	if err != nil {
		return err
	}
	for i := len(groups) - 1; i >= 0; i-- { // children first: they change their parents
		if g := groups[i]; g.inner && g.own >= 0 {
			w.note(g.own, w.finishDir(g.own))
		}
	}
	return nil
}

func (w *treeWriter) work() {
	defer w.workers.Done()
	for b := range w.batches {
		if w.stopped() == nil {
			w.batch(b)
		}
	}
}

func (w *treeWriter) batch(b fileBatch) {
	d, err := openOrMake(w.root, b.dir)
	if err != nil {
		for _, f := range b.files {
			w.note(f.index, err)
		}
		return
	}
	defer d.Close()
	for _, f := range b.files {
		w.note(f.index, w.file(d, f.index, bytesOnce{f.data}))
	}
	if b.finish >= 0 {
		w.note(b.finish, w.finish(d, b.finish))
	}
}

// openOrMake opens a directory of the new tree. Who comes first makes it, and
// what is above it.
func openOrMake(root *os.Root, dir string) (*os.File, error) {
	d, err := root.Open(orDot(dir))
	if errors.Is(err, fs.ErrNotExist) {
		if err := root.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		return root.Open(dir)
	}
	return d, err
}

// file makes entry i in its directory.
func (w *treeWriter) file(d *os.File, i int, content io.Reader) error {
	e := &w.plan.entries[i]
	_, name := splitPath(e.Name)
	if e.Kind == manifest.Symlink {
		if err := symlinkAt(e.Target, d, name); err != nil {
			return err
		}
		return setTime(d, name, e.Mtime)
	}
	f, err := createAt(d, name, 0o600)
	if err != nil {
		return err
	}
	var to io.Writer = f
	if !w.plan.sources[i].hashed {
		h := sha256.New()
		to = io.MultiWriter(f, h)
		defer func() { h.Sum(e.SHA256[:0]) }()
	}
	if _, err = io.Copy(to, content); err == nil {
		err = w.attribute(f.fd, i)
	}
	if err == nil {
		err = f.chmod(e.Mode)
	}
	if err = errors.Join(err, f.close()); err != nil {
		return err
	}
	return setTime(d, name, e.Mtime)
}

// note remembers what became of an entry. Without room nothing else will fit
// either, and half an export helps nobody.
func (w *treeWriter) note(i int, err error) {
	if err == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed[i] = err
	if w.fatal == nil && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EIO)) {
		w.fatal = fmt.Errorf("%s: %w", w.plan.entries[i].Path, err)
	}
}

func (w *treeWriter) stopped() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fatal
}

func (w *treeWriter) finishDir(i int) error {
	d, err := openOrMake(w.root, w.plan.entries[i].Name)
	if err != nil {
		return err
	}
	defer d.Close()
	return w.finish(d, i)
}

// finish gives a directory its attributes and time, and then its mode, which may
// close it.
func (w *treeWriter) finish(d *os.File, i int) error {
	e := &w.plan.entries[i]
	if err := w.attribute(int(d.Fd()), i); err != nil {
		return err
	}
	if err := setTime(d, ".", e.Mtime); err != nil {
		return err
	}
	return d.Chmod(spacedb.FileMode(e.Mode))
}

// account counts what was written and reports what was not; the manifest says
// nothing of the latter.
func (x *exporter) account(p *exportPlan, failed map[int]error) *manifest.Manifest {
	m := &manifest.Manifest{Header: p.header, Entries: make([]manifest.Entry, 0, len(p.entries))}
	for i := range p.entries {
		e := &p.entries[i]
		if err, bad := failed[i]; bad {
			x.fail(e.Name, err)
			m.Seq = 0 // the next export looks again
			continue
		}
		if e.Name != "" {
			x.count(e)
		}
		m.Entries = append(m.Entries, *e)
	}
	return m
}
