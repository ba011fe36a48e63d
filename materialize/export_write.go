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

// fileBatch is files of one directory.
type fileBatch struct {
	dir   string
	files []fileContent
	// finish, when it is not -1, is the directory's own entry: after this batch
	// nothing comes into it any more.
	finish int
}

type fileContent struct {
	index int
	data  []byte
}

// treeWriter writes the files of a new tree.
type treeWriter struct {
	plan    *exportPlan
	root    *os.Root
	batches chan fileBatch
	workers sync.WaitGroup

	mu     sync.Mutex
	failed map[int]error // by index of the entry
	fatal  error         // nothing more can be written
}

func newTreeWriter(p *exportPlan, root *os.Root) *treeWriter {
	return &treeWriter{plan: p, root: root, batches: make(chan fileBatch, 8), failed: map[int]error{}}
}

// writeTree fills dir, an empty directory: the files, the manifest, and then
// one sync for everything.
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
	x.options.Reporter.Tell(Event{Event: Progress, Phase: "export", Total: len(plan.entries)})
	if err := x.writeFiles(w); err != nil {
		return x.nothingDone(err)
	}
	written := x.account(plan, w.failed)
	if err := writeManifest(root, manifest.Name, written); err != nil {
		return err
	}
	return syncAll(root)
}

// writeFiles makes the whole tree below w.root.
func (x *exporter) writeFiles(w *treeWriter) error {
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
			w.note(g.own, w.finishDir(&w.plan.entries[g.own]))
		}
	}
	return nil
}

// feed reads everything in the order of the groups.
func (x *exporter) feed(w *treeWriter, groups []exportGroup) error {
	for gi := range groups {
		g := &groups[gi]
		b := fileBatch{dir: g.dir, finish: -1}
		size := 0
		for _, i := range g.entries {
			if err := errors.Join(x.ctx.Err(), w.stopped()); err != nil {
				return err
			}
			x.options.Reporter.Step()
			e := &w.plan.entries[i]
			if e.Kind == manifest.Document && e.Size > largeDocument {
				if err := x.writeLarge(w, i); err != nil {
					return err
				}
				continue
			}
			data, err := x.read(w.plan, i)
			if err != nil {
				return err
			}
			b.files = append(b.files, fileContent{i, data})
			if size += len(data); size >= readAhead || len(b.files) == filesAhead {
				w.batches <- b
				b, size = fileBatch{dir: g.dir, finish: -1}, 0
			}
		}
		// Only when all its files are in this very batch is nobody else at it.
		if !g.inner && len(b.files) == len(g.entries) {
			b.finish = g.own
		} else if g.own >= 0 {
			g.inner = true
		}
		w.batches <- b
	}
	return nil
}

// read returns a small content.
func (x *exporter) read(p *exportPlan, i int) ([]byte, error) {
	e, s := &p.entries[i], &p.sources[i]
	switch {
	case e.Kind == manifest.Symlink:
		return nil, nil
	case e.Kind != manifest.Document:
		return s.text, nil
	case e.Size == 0:
		return nil, nil
	}
	content, err := x.v.Content(s.ref)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Path, err)
	}
	data := make([]byte, e.Size)
	if _, err := io.ReadFull(content, data); err != nil {
		return nil, fmt.Errorf("%s: %w", e.Path, err)
	}
	return data, nil
}

// writeLarge copies a document that is not worth holding in memory.
func (x *exporter) writeLarge(w *treeWriter, i int) error {
	e := &w.plan.entries[i]
	content, err := x.v.Content(w.plan.sources[i].ref)
	if err != nil {
		return fmt.Errorf("%s: %w", e.Path, err)
	}
	dir, _ := splitPath(e.Name)
	d, err := openOrMake(w.root, dir)
	if err == nil {
		err = w.file(d, i, content)
		d.Close()
	}
	if errors.Is(err, spacedb.ErrDamaged) {
		return fmt.Errorf("%s: %w", e.Path, err)
	}
	w.note(i, err)
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
		e := &w.plan.entries[b.finish]
		w.note(b.finish, finish(d, e))
	}
}

// bytesOnce is a small content: one write.
type bytesOnce struct{ data []byte }

func (b bytesOnce) Read([]byte) (int, error) { return 0, io.EOF }
func (b bytesOnce) WriteTo(w io.Writer) (int64, error) {
	if len(b.data) == 0 {
		return 0, nil
	}
	n, err := w.Write(b.data)
	return int64(n), err
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

func (w *treeWriter) finishDir(e *manifest.Entry) error {
	d, err := openOrMake(w.root, e.Name)
	if err != nil {
		return err
	}
	defer d.Close()
	return finish(d, e)
}

// finish gives a directory its time, and then its mode, which may close it.
func finish(d *os.File, e *manifest.Entry) error {
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
