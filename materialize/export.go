package materialize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"spacefs/materialize/fold"
	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// ExportOptions of Export and ExportTar.
type ExportOptions struct {
	Variant          fold.Variant
	Include, Exclude []string        // patterns, as gitignore has them; no Include: everything
	At               *spacedb.Moment // nil: now
	Metadata         bool            // NAME.meta.json beside each document, and extended attributes
	Index            bool            // a table of contents in each folder
	// Incremental brings what an earlier export wrote up to date.
	Incremental bool
	DryRun      bool
	Reporter    Reporter
}

// ExportResult is what an export did. Of an incremental one, Documents and so on
// are what it wrote; Unchanged is what it did not have to.
type ExportResult struct {
	Run         int64       `json:"run,omitempty"`
	Documents   int         `json:"documents"`
	Directories int         `json:"directories"`
	Symlinks    int         `json:"symlinks"`
	Bytes       int64       `json:"bytes"`
	Unchanged   int         `json:"unchanged"`
	Removed     int         `json:"removed"`
	Left        int         `json:"left"` // edited by hand, and therefore left alone
	Notices     []string    `json:"notices,omitempty"`
	Failed      []PathError `json:"failed,omitempty"`
}

func (r *ExportResult) counts() map[string]int64 {
	return map[string]int64{
		"documents": int64(r.Documents), "directories": int64(r.Directories), "symlinks": int64(r.Symlinks), "bytes": r.Bytes,
		"unchanged": int64(r.Unchanged), "removed": int64(r.Removed), "left": int64(r.Left), "failed": int64(len(r.Failed)),
	}
}

// Export writes the tree, as it is at one moment, into dir, and beside it a
// manifest of what it wrote. dir must be missing or empty, or with Incremental
// hold an earlier export of this space. Everything is durable when Export
// returns, and the manifest comes last: what has none was interrupted.
func Export(ctx context.Context, store *spacedb.Store, dir string, o ExportOptions) (ExportResult, error) {
	if o.Reporter == nil {
		o.Reporter = silent{}
	}
	start := time.Now()
	x := &exporter{ctx: ctx, store: store, dir: dir, options: o}
	o.Reporter.Tell(Event{Event: Started, Kind: "export", Space: store.File(), Directory: dir, DryRun: o.DryRun, Total: int(store.Usage().Nodes)})
	err := x.run()
	r := x.result
	conclude(o.Reporter, Event{
		Kind: "export", Run: r.Run, Directory: dir, DryRun: o.DryRun, Outcome: outcomeOf(err, len(r.Failed), 0),
		Millis: time.Since(start).Milliseconds(), Counts: r.counts(),
	}, err, r.Failed, r.Notices)
	return r, err
}

type exporter struct {
	ctx     context.Context
	store   *spacedb.Store
	dir     string
	options ExportOptions
	result  ExportResult
	records []spacedb.ActionRecord

	root *os.Root
	v    *spacedb.Snapshot
	// readsAttributes: extended ones count, and the filesystem has some.
	readsAttributes bool
}

// run chooses between a new export and one that goes on with an earlier.
func (x *exporter) run() error {
	var err error
	if x.v, err = x.snapshot(); err != nil {
		return err
	}
	defer x.v.Close()
	target, err := lookAtTarget(x.dir)
	switch {
	case err != nil:
		return err
	case target == targetMissing && !x.options.DryRun:
		return x.recorded(x.exportNew)
	case target == targetMissing:
		return x.dryRunNew()
	}
	if x.root, err = os.OpenRoot(x.dir); err != nil {
		return err
	}
	defer x.root.Close()
	unlock, err := lockDirectory(x.root)
	if err != nil {
		return fmt.Errorf("%s: another export is writing into it: %w", x.dir, err)
	}
	defer unlock()
	if target == targetEmpty {
		if x.options.DryRun {
			return x.dryRunNew()
		}
		return x.recorded(x.exportInto)
	}
	had, err := x.readManifests()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is not empty, and holds no export: export to a new directory, or keep it in step with sync", x.dir)
	case err != nil:
		return fmt.Errorf("%s: %w; export to a new directory", filepath.Join(x.dir, manifest.Name), err)
	case !x.options.Incremental:
		return fmt.Errorf("%s holds an export already: bring it up to date with --incremental, or export to a new directory", x.dir)
	}
	return x.update(had)
}

func (x *exporter) snapshot() (*spacedb.Snapshot, error) {
	if x.options.At != nil {
		return x.store.SnapshotAt(x.ctx, *x.options.At)
	}
	return x.store.Snapshot(x.ctx)
}

type target int

const (
	targetMissing target = iota
	targetEmpty          // but for what an interrupted export left
	targetUsed
)

// lookAtTarget says what is where the export is to go.
func lookAtTarget(dir string) (target, error) {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return targetMissing, nil
	}
	if err != nil {
		return 0, err
	}
	defer d.Close()
	if info, err := d.Stat(); err != nil || !info.IsDir() {
		return 0, errors.Join(err, fmt.Errorf("%s is not a directory", dir))
	}
	names, err := d.Readdirnames(2)
	for _, n := range names {
		if n != stagedDir {
			return targetUsed, nil
		}
	}
	if len(names) == 0 || len(names) == 1 {
		return targetEmpty, nil
	}
	return targetUsed, err
}

// recorded makes a run of what fn does, in a space that can take one.
func (x *exporter) recorded(fn func() error) error {
	run, err := x.store.BeginRun("export", 0)
	if errors.Is(err, spacedb.ErrReadOnly) {
		return fn()
	}
	if err != nil {
		return err
	}
	x.result.Run = run.ID
	err = fn()
	r := x.result
	detail := fmt.Sprintf("%s: %d documents written, %d unchanged, %d removed, %d failed", x.dir, r.Documents, r.Unchanged, r.Removed, len(r.Failed))
	if err != nil {
		detail = err.Error()
	}
	return errors.Join(err, x.store.FinishRun(run.ID, outcomeOf(err, len(r.Failed), 0), detail, x.records))
}

// tell tells and, in a run, records what was done, or would be.
func (x *exporter) tell(op, name, reason string) {
	x.options.Reporter.Tell(Event{Event: Acted, Path: name, Op: op, Side: "directory", Reason: reason})
	if !x.options.DryRun {
		x.records = append(x.records, spacedb.ActionRecord{Path: name, Op: op, Side: "directory"})
	}
}

func exportOp(e *manifest.Entry) string {
	switch e.Kind {
	case manifest.Directory:
		return "mkdir"
	case manifest.Symlink:
		return "symlink"
	}
	return "write"
}

// count counts what was written.
func (x *exporter) count(e *manifest.Entry) {
	switch e.Kind {
	case manifest.Directory:
		x.result.Directories++
	case manifest.Symlink:
		x.result.Symlinks++
	case manifest.Document:
		x.result.Documents++
		x.result.Bytes += e.Size
	}
}

func (x *exporter) fail(name string, err error) {
	x.result.Failed = append(x.result.Failed, PathError{name, cause(err)})
	x.records = append(x.records, spacedb.ActionRecord{Path: name, Op: "export", Side: "directory", Error: cause(err)})
}
