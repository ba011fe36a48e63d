package materialize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"spacefs/conflict"
	"spacefs/materialize/fold"
	"spacefs/materialize/ignore"
	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// OnConflict is what an import does with a document that is there already with
// other content.
type OnConflict string

const (
	Overwrite OnConflict = "overwrite" // its content stays in history
	SkipIt    OnConflict = "skip"
	RenameIt  OnConflict = "rename" // the newcomer gets another name
)

// ParseOnConflict reads the word; "" is Overwrite.
func ParseOnConflict(text string) (OnConflict, error) {
	switch c := OnConflict(text); c {
	case "":
		return Overwrite, nil
	case Overwrite, SkipIt, RenameIt:
		return c, nil
	}
	return "", fmt.Errorf("no way is called %q; there are overwrite, skip, rename", text)
}

// ImportOptions of Import and ImportTar.
type ImportOptions struct {
	Into             string // a directory of the space; made if it is missing
	OnConflict       OnConflict
	Include, Exclude []string     // patterns, as gitignore has them; no Include: everything
	Variant          fold.Variant // Flat: names are unfolded although there is no manifest
	NoManifest       bool         // a manifest is passed over
	Ignore           bool         // leaves alone what the directory's IgnoreFiles say, as a sync does
	Reporter         Reporter
}

// ImportResult is what an import brought.
type ImportResult struct {
	Run       int64       `json:"run"`
	Imported  int         `json:"imported"`
	Unchanged int         `json:"unchanged"`
	Skipped   int         `json:"skipped"`
	Edited    int         `json:"edited"`   // of a manifest's: not as exported
	Vanished  int         `json:"vanished"` // of a manifest's: not there any more
	Bytes     int64       `json:"bytes"`
	Notices   []string    `json:"notices,omitempty"`
	Failed    []PathError `json:"failed,omitempty"`
}

func (r *ImportResult) counts() map[string]int64 {
	return map[string]int64{
		"imported": int64(r.Imported), "unchanged": int64(r.Unchanged), "skipped": int64(r.Skipped), "edited": int64(r.Edited),
		"vanished": int64(r.Vanished), "bytes": r.Bytes, "failed": int64(len(r.Failed)),
	}
}

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
	m := &importer{ctx: ctx, options: o, store: store, made: map[string]struct{}{}}
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
	astray bool                // something came not, or elsewhere, because its path was taken
	dirs   []arrivedDir        // get their time last: what comes into them changes it
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

func directoryState(perm uint32, mtime int64) spacedb.State {
	return spacedb.State{Mode: spacedb.TypeDir | perm&permMask, Mtime: mtime}
}

func (m *importer) notice(format string, args ...any) {
	m.result.Notices = append(m.result.Notices, fmt.Sprintf(format, args...))
}

// errReserved: a mount shows something else there.
var errReserved = errors.New("refused: " + spacedb.Reserved + " at the root of a space is reserved; import it --into a directory")

func isReserved(path string) bool {
	top, _, _ := strings.Cut(path, "/")
	return top == spacedb.Reserved
}

// wanted says whether the patterns let a path of the space come.
func (m *importer) wanted(path string, dir bool) bool {
	if m.exclude.Covers(path, dir) {
		return false
	}
	return dir || m.include.Empty() || m.include.Covers(path, false)
}

// arrivedDir is a directory that was imported.
type arrivedDir struct {
	path  string
	perm  uint32
	mtime int64
}

// directory makes a directory, unless it is there.
func (m *importer) directory(to string, perm uint32, mtime int64) error {
	if isReserved(to) {
		return errReserved
	}
	dir, _ := splitPath(to)
	if err := m.ensureDir(dir); err != nil {
		return err
	}
	if _, known := m.made[to]; !known {
		_, err := m.tree.PlaceDir(to, spacedb.Guard{Absent: true}, perm, mtime)
		if errors.Is(err, spacedb.ErrChanged) {
			if err := m.mustBeDir(to); err != nil {
				return err
			}
		} else if err != nil {
			return err
		} else {
			m.note(to, conflict.Mkdir, spacedb.State{}, directoryState(perm, mtime))
		}
		m.made[to] = struct{}{}
	}
	m.dirs = append(m.dirs, arrivedDir{to, perm, mtime})
	return nil
}

func (m *importer) mustBeDir(path string) error {
	a, err := m.tree.Resolve(path)
	if err == nil && !a.IsDir() {
		err = fmt.Errorf("the space has a %s there, not a directory", kindName(a))
	}
	return err
}

// ensureDir makes what is missing of a path.
func (m *importer) ensureDir(path string) error {
	switch {
	case path == "":
		return nil
	case isReserved(path):
		return errReserved
	}
	if _, known := m.made[path]; known {
		return nil
	}
	up, _ := splitPath(path)
	if err := m.ensureDir(up); err != nil {
		return err
	}
	now := time.Now().UnixNano()
	_, err := m.tree.PlaceDir(path, spacedb.Guard{Absent: true}, 0o755, now)
	switch {
	case err == nil:
		m.note(path, conflict.Mkdir, spacedb.State{}, directoryState(0o755, now))
	case errors.Is(err, spacedb.ErrChanged):
		err = m.mustBeDir(path)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	m.made[path] = struct{}{}
	return nil
}

// finishDirs gives the directories their modes and times, if they do not have
// them.
func (m *importer) finishDirs() error {
	for i := len(m.dirs) - 1; i >= 0; i-- {
		d := &m.dirs[i]
		a, err := m.tree.Resolve(d.path)
		if err != nil {
			if err := m.failed(d.path, err); err != nil {
				return err
			}
			continue
		}
		var set spacedb.AttrChange
		if a.Perm() != d.perm {
			set.Mode = &d.perm
		}
		if a.Mtime != d.mtime {
			set.Mtime = &d.mtime
		}
		if set.Mode != nil || set.Mtime != nil {
			_, err = m.tree.ChangeAt(d.path, spacedb.Guard{}, set)
		}
		if err == nil && a.Perm()&permMask != d.perm&permMask {
			m.note(d.path, conflict.Chmod, directoryState(a.Perm(), a.Mtime), directoryState(d.perm, d.mtime))
		}
		if err := m.failed(d.path, err); err != nil {
			return err
		}
	}
	return nil
}

func kindName(a spacedb.Attr) string {
	switch {
	case a.IsDir():
		return "directory"
	case a.IsSymlink():
		return "symlink"
	case a.IsRegular():
		return "document"
	}
	return "special file"
}

// freeName is the path with " (imported)", " (imported 2)", … before the
// extension.
func (m *importer) freeName(to string) (string, error) {
	dir, name := splitPath(to)
	stem, ext := name, ""
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		stem, ext = name[:i], name[i:]
	}
	for n := 1; ; n++ {
		mark := " (imported)"
		if n > 1 {
			mark = fmt.Sprintf(" (imported %d)", n)
		}
		p := join(dir, stem+mark+ext)
		if _, err := m.tree.Resolve(p); errors.Is(err, spacedb.ErrNotFound) {
			return p, nil
		} else if err != nil {
			return "", err
		}
	}
}

// modeBits of what was found.
func (s stamp) perm() uint32 { return s.mode & spacedb.PermMask }

func (s stamp) kind() uint32 { return s.mode & spacedb.TypeMask }

// ownFiles are the names at the top of a directory that are spacefs's own.
func ownFile(path string) bool {
	return path == stateDir || path == manifest.Name || path == nextManifest || path == stagedDir
}

// loadOrigin reads the manifest of an export that is imported.
func (m *importer) loadOrigin() error {
	if m.options.NoManifest {
		return nil
	}
	from, err := loadManifest(m.root, manifest.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = from.Check()
	}
	if err != nil {
		return fmt.Errorf("%s: %w; without it the files can be imported as they are: --no-manifest", filepath.Join(m.root.Name(), manifest.Name), err)
	}
	m.origin, err = newOrigin(from), nil
	return err
}
