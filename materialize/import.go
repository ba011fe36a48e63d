package materialize

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"spacefs/conflict"
	"spacefs/materialize/ignore"
	"spacefs/spacedb"
)

// Import brings everything below dir into the space. If dir is an export, its
// manifest leads paths, ids and metadata back, from whatever variant. What
// cannot be read is in the result, never taken for absent. Interrupted, it is
// simply run again: what is there already is not stored twice.
func Import(ctx context.Context, store *spacedb.Store, dir string, o ImportOptions) (ImportResult, error) {
	return runImport(ctx, store, dir, o, (*importer).fromDirectory)
}

// runImport is what all imports have around them.
func runImport(ctx context.Context, store *spacedb.Store, dir string, o ImportOptions, from func(*importer, string) error) (ImportResult, error) {
	if o.Reporter == nil {
		o.Reporter = silent{}
	}
	if o.OnConflict == "" {
		o.OnConflict = Overwrite
	}
	start := time.Now()
	m := &importer{ctx: ctx, options: o, store: store, made: map[string]struct{}{}, fresh: map[string]struct{}{}}
	err := m.run(dir, from)
	r := m.result
	conclude(o.Reporter, Event{
		Kind: "import", Run: r.Run, Directory: dir, Outcome: outcomeOf(err, len(r.Failed), 0), Millis: time.Since(start).Milliseconds(),
		Counts: r.counts(),
	}, err, r.Failed, r.Notices)
	return r, err
}

type importer struct {
	ctx     context.Context
	store   *spacedb.Store
	tree    *spacedb.Tree
	options ImportOptions
	include *ignore.Patterns
	exclude *ignore.Patterns
	result  ImportResult
	record  recorder

	root   *os.Root
	origin *origin             // nil: what is imported is no export
	made   map[string]struct{} // directories of the space that are known to be there
	fresh  map[string]struct{} // those of them that this import made
	astray bool                // something came not, or elsewhere, because its path was taken
	dirs   []arrivedDir        // get their time last: what comes into them changes it

	withAttributes  bool // extended ones are brought
	readsAttributes bool // and the source's filesystem, or the stream, has some
}

// run is the run.
func (m *importer) run(dir string, from func(*importer, string) error) (err error) {
	if m.include, err = ignore.Parse(m.options.Include); err != nil {
		return err
	}
	if m.exclude, err = ignore.Parse(m.options.Exclude); err != nil {
		return err
	}
	if into := m.options.Into; into != "" && !isPath(into) {
		return fmt.Errorf("--into %s: that is no path in the space", into)
	}
	if dir != "-" {
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			return fmt.Errorf("%s is not a directory; a tar stream comes from stdin: import SPACE - <FILE", dir)
		}
		if m.root, err = os.OpenRoot(dir); err != nil {
			return err
		}
		defer m.root.Close()
	}
	run, err := m.store.BeginRun("import", 0)
	if err != nil {
		return err
	}
	m.result.Run = run.ID
	m.record = recorder{store: m.store, run: run.ID}
	m.tree = m.store.Tree(spacedb.Actor{Origin: spacedb.OriginImport, Run: run.ID})
	m.options.Reporter.Tell(Event{Event: Started, Kind: "import", Run: run.ID, Space: m.store.File(), Directory: dir})
	m.options.Reporter.Tell(Event{Event: Progress, Phase: "import"})
	m.decideAttributes()
	if err = m.ensureDir(m.options.Into); err == nil {
		err = errors.Join(from(m, dir), m.finishDirs())
	}
	r := m.result
	detail := fmt.Sprintf("%d imported, %d unchanged, %d skipped, %d failed", r.Imported, r.Unchanged, r.Skipped, len(r.Failed))
	if err != nil {
		detail = err.Error()
	}
	return errors.Join(err, m.store.FinishRun(run.ID, outcomeOf(err, len(r.Failed), 0), detail, m.record.waiting), m.store.Sync())
}

func (m *importer) fail(from string, err error) {
	m.result.Failed = append(m.result.Failed, PathError{from, cause(err)})
	m.record.waiting = append(m.record.waiting, spacedb.ActionRecord{Path: from, Op: "import", Side: "space", Error: cause(err)})
}

// failed notes what went wrong at one path, unless nothing can go on.
func (m *importer) failed(from string, err error) error {
	switch {
	case err == nil:
		return nil
	case fatal(err):
		return err
	}
	m.fail(from, err)
	return nil
}

// fatal: the space itself cannot take any more.
func fatal(err error) bool {
	return errors.Is(err, spacedb.ErrNoSpace) || errors.Is(err, spacedb.ErrReadOnly) || errors.Is(err, spacedb.ErrClosed) ||
		errors.Is(err, spacedb.ErrDamaged) || errors.Is(err, context.Canceled)
}

// note writes down what was done at a path, every now and then into the space.
func (m *importer) note(path string, op conflict.Op, before, after spacedb.State) {
	const often = 1024
	m.record.waiting = append(m.record.waiting, spacedb.ActionRecord{
		Path: path, Op: op.String(), Side: conflict.Space.String(), Reason: "imported", Before: before, After: after,
	})
	if len(m.record.waiting) >= often {
		_ = m.record.flush() // the tree's next operation has the same trouble
	}
	m.options.Reporter.Tell(Event{Event: Acted, Path: path, Op: op.String(), Side: conflict.Space.String(), Reason: "imported"})
}

func (m *importer) notice(format string, args ...any) {
	m.result.Notices = append(m.result.Notices, fmt.Sprintf(format, args...))
}
