package materialize

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"spacefs/internal/attributes"
	"spacefs/spacedb"
)

// One goroutine walks, several read and hash, and this one brings what they read
// into the space, while the store commits what is there already. Documents
// travel in batches of one directory.
const (
	importBatch   = 64
	importSmall   = 256 << 10 // bytes; what is larger is copied, not held
	importBytes   = 1 << 20   // bytes in a batch
	importPending = 32        // batches
)

// directoryImport is an import from a directory.
type directoryImport struct {
	*importer
	memory  *sourceMemory
	own     map[uint64]struct{} // inodes of the space's own files
	jobs    chan *readBatch
	waiting []*readBatch // in order
	filling *readBatch
}

func (m *importer) fromDirectory(dir string) error {
	if err := m.loadOrigin(); err != nil {
		return err
	}
	d := &directoryImport{importer: m, jobs: make(chan *readBatch, importPending), own: map[uint64]struct{}{}}
	for _, name := range m.store.Files() {
		if info, err := os.Lstat(name); err == nil {
			d.own[stampOf(info).inode] = struct{}{}
		}
	}
	w := startWalk(m.ctx, m.root, "", d.hooks()) // ahead of what is remembered
	defer w.end()
	var err error
	if d.memory, err = m.recall(dir); err != nil {
		return err
	}
	var workers sync.WaitGroup
	for range max(2, runtime.GOMAXPROCS(0)) {
		workers.Go(d.read)
	}
	err = d.visitAll(w)
	close(d.jobs)
	workers.Wait()
	if err != nil {
		return err
	}
	if err := m.exportedDirs(); err != nil {
		return err
	}
	m.reportVanished()
	return m.remember(d.memory)
}

// visitAll goes through what the walk finds.
func (d *directoryImport) visitAll(w *walk) error {
	for it := w.next(); it != nil; it = w.next() {
		if err := d.stretch(it); err != nil {
			return err
		}
		w.pass()
	}
	if err := d.ctx.Err(); err != nil {
		return err
	}
	d.dispatch()
	return d.drain(0)
}

func (d *directoryImport) hooks() walkHooks {
	hooks := walkHooks{skip: func(path string, e listed) bool {
		p := join(path, e.name)
		return ownFile(p) || d.origin == nil && e.err == nil && !d.wanted(p, e.stat.isDir())
	}}
	if !d.options.Ignore || d.origin != nil {
		return hooks
	}
	alone, wanted := newIgnoring(d.root), hooks.skip
	hooks.list = alone.listed
	hooks.skip = func(path string, e listed) bool {
		ignored, _ := alone.entry(path, e.name, e.stat.isDir()) // as in a sync's scan
		return ignored || wanted(path, e)
	}
	return hooks
}

func (d *directoryImport) stretch(it *stretch) error {
	if !d.memory.knowsAll(it) {
		return it.each(d.visit)
	}
	for i := range it.entries {
		d.options.Reporter.Step()
		d.unchanged(it.entries[i].stat)
	}
	return nil
}

func (d *directoryImport) unchanged(st stamp) {
	if !st.isDir() {
		d.result.Unchanged++
	}
}

func (d *directoryImport) visit(f found) error {
	d.options.Reporter.Step()
	if f.err != nil {
		d.memory.spoil(f.path)
		return d.failed(f.path, f.err)
	}
	if d.memory.knows(f.path, f.stat) {
		d.unchanged(f.stat)
		return nil
	}
	to, e, made := d.pathOf(f.path)
	if made || d.origin != nil && !d.wanted(to, f.stat.isDir()) {
		return nil
	}
	to = join(d.options.Into, to)
	switch f.stat.kind() {
	case spacedb.TypeDir:
		if d.flat() && e == nil && d.origin == nil {
			return nil // a flat export has none; what is in it keeps its path
		}
		perm, mtime := f.stat.perm(), f.stat.mtime
		if e != nil {
			mtime = e.Mtime
		}
		var attrs attributes.Set
		if d.readsAttributes {
			var err error
			if attrs, err = attributesAt(d.root, f.path); err != nil {
				return d.failed(f.path, err)
			}
		}
		return d.failed(f.path, d.directory(arrivedDir{path: to, perm: perm, mtime: mtime, attrs: attrs, entry: e}))
	case spacedb.TypeSymlink:
		target, err := d.root.Readlink(f.path)
		if err == nil {
			err = d.symlink(f.path, to, target, f.stat.mtime, e)
		}
		return d.failed(f.path, err)
	case spacedb.TypeRegular:
		if d.isOurs(f) {
			d.memory.spoil(f.path)
			d.notice("%s: skipped, it is the space itself", f.path)
			return nil
		}
		return d.add(&arrival{from: f.path, path: to, stat: f.stat, entry: e})
	}
	d.notice("%s: skipped, special file", f.path)
	return nil
}

// isOurs: a space may lie in the very directory it is filled from.
func (d *directoryImport) isOurs(f found) bool {
	if _, maybe := d.own[f.stat.inode]; !maybe {
		return false
	}
	info, err := d.root.Lstat(f.path)
	if err != nil {
		return false
	}
	for _, name := range d.store.Files() {
		if ours, err := os.Lstat(name); err == nil && os.SameFile(ours, info) {
			return true
		}
	}
	return false
}

func (d *directoryImport) bring(b *readBatch) error {
	var small []*arrival
	for i, a := range b.files {
		switch {
		case b.errs[i] != nil:
			d.memory.spoil(a.from)
			if err := d.failed(a.from, b.errs[i]); err != nil {
				return err
			}
		case a.data == nil && a.stat.size > 0:
			err := d.large(a)
			if err != nil {
				d.memory.spoil(a.from)
			}
			if err := d.failed(a.from, err); err != nil {
				return err
			}
		default:
			small = append(small, a)
		}
	}
	failures := len(d.result.Failed)
	err := d.placeSmall(small)
	if len(d.result.Failed) > failures {
		for _, f := range d.result.Failed[failures:] {
			d.memory.spoil(f.Path)
		}
	}
	return err
}

// large reads a file for the second time, to store it: the first told whether
// that is needed.
func (d *directoryImport) large(a *arrival) error {
	f, err := openFile(d.root, a.from)
	if err != nil {
		return err
	}
	defer f.Close()
	return d.placeLarge(a, f)
}

// exportedDirs makes the directories that a flat export does not have.
func (m *importer) exportedDirs() error {
	if m.origin == nil || !m.flat() {
		return nil
	}
	for i := range m.origin.Entries {
		e := &m.origin.Entries[i]
		if e.Name == "" && m.wanted(e.Path, true) {
			if err := m.failed(e.Path, m.directory(arrivedDir{path: join(m.options.Into, e.Path), perm: e.Mode, mtime: e.Mtime, entry: e})); err != nil {
				return err
			}
		}
	}
	return nil
}

// sourcePath is how a source is remembered.
func sourcePath(dir string) string {
	if p, err := filepath.EvalSymlinks(dir); err == nil {
		dir = p
	}
	if p, err := filepath.Abs(dir); err == nil {
		dir = p
	}
	return dir
}
