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
	Metadata         bool            // NAME.meta.json beside each document
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
}

// The names at the top of an export that are its own, beside the manifest's.
// fold.Reserved keeps documents away from them.
const (
	nextManifest = ".spacefs-manifest.next" // what the manifest will be once every file is in its place
	stagedDir    = ".spacefs-staged"        // files on their way to their place
)

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

// recorded makes a run of what fn does.
func (x *exporter) recorded(fn func() error) error {
	run, err := x.store.BeginRun("export", 0)
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

// exportNew makes a directory that appears only when it is complete.
func (x *exporter) exportNew() error {
	staged := x.dir + ".spacefs-new"
	if err := os.RemoveAll(staged); err != nil {
		return x.nothingDone(err)
	}
	if err := os.Mkdir(staged, 0o755); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: there is no directory %s that it could be made in", x.dir, filepath.Dir(x.dir))
	} else if err != nil {
		return x.nothingDone(err)
	}
	defer os.RemoveAll(staged) // gone by then, if all went well
	if err := x.writeTree(staged); err != nil {
		return err
	}
	if err := os.Rename(staged, x.dir); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(x.dir))
}

// exportInto fills a directory that is there already: the tree is complete and
// durable before the first name appears in it, and the manifest is the last. Its
// place is taken before, by the next one: so an export that is interrupted here
// is brought to its end by an incremental one.
func (x *exporter) exportInto() error {
	if err := x.root.RemoveAll(stagedDir); err != nil {
		return x.nothingDone(err)
	}
	if err := x.root.Mkdir(stagedDir, 0o700); err != nil {
		return x.nothingDone(err)
	}
	defer x.root.RemoveAll(stagedDir)
	if err := x.writeTree(filepath.Join(x.dir, stagedDir)); err != nil {
		return err
	}
	names, err := fs.ReadDir(x.root.FS(), stagedDir)
	if err != nil {
		return err
	}
	if err := x.root.Rename(stagedDir+"/"+manifest.Name, nextManifest); err != nil {
		return err
	}
	for _, e := range names {
		if e.Name() == manifest.Name {
			continue
		}
		if err := x.root.Rename(stagedDir+"/"+e.Name(), e.Name()); err != nil {
			return err
		}
	}
	return x.publish()
}

// nothingDone says so of an export that ended before a name came to its place.
func (x *exporter) nothingDone(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) && err == error(at) {
		err = at.Err // the path is one of ours
	}
	return fmt.Errorf("%s: nothing was exported: %w", x.dir, err)
}

// publish makes the next manifest the manifest, after everything it names.
func (x *exporter) publish() error {
	if err := syncDirectory(x.dir); err != nil {
		return err
	}
	if err := x.root.Rename(nextManifest, manifest.Name); err != nil {
		return err
	}
	return syncDirectory(x.dir)
}

// dryRunNew tells what a new export would write.
func (x *exporter) dryRunNew() error {
	plan, err := x.plan()
	if err != nil {
		return err
	}
	for i := range plan.entries {
		if e := &plan.entries[i]; e.Name != "" {
			x.tell(exportOp(e), e.Name, "new")
			x.count(e)
		}
	}
	return nil
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

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
