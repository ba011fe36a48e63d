package materialize

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sort"
	"strings"
	"time"

	"spacefs/conflict"
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

// ImportOptions of Import.
type ImportOptions struct {
	Into       string // a directory of the space; made if it is missing
	OnConflict OnConflict
	Reporter   Reporter
}

// ImportResult is what an import brought.
type ImportResult struct {
	Run       int64       `json:"run"`
	Imported  int         `json:"imported"`
	Unchanged int         `json:"unchanged"`
	Skipped   int         `json:"skipped"`
	Bytes     int64       `json:"bytes"`
	Notices   []string    `json:"notices,omitempty"`
	Failed    []PathError `json:"failed,omitempty"`
}

// Import brings everything below dir into the space. What cannot be read is in
// the result, never taken for absent. Interrupted, it is simply run again: what
// is there already is not stored twice.
func Import(ctx context.Context, store *spacedb.Store, dir string, o ImportOptions) (ImportResult, error) {
	if o.Reporter == nil {
		o.Reporter = silent{}
	}
	if o.OnConflict == "" {
		o.OnConflict = Overwrite
	}
	start := time.Now()
	m := &importer{ctx: ctx, options: o, store: store}
	err := m.importFrom(dir)
	r := m.result
	conclude(o.Reporter, Event{
		Kind: "import", Run: r.Run, Directory: dir, Outcome: outcomeOf(err, len(r.Failed), 0), Millis: time.Since(start).Milliseconds(),
		Counts: map[string]int64{
			"imported": int64(r.Imported), "unchanged": int64(r.Unchanged), "skipped": int64(r.Skipped), "bytes": r.Bytes,
			"failed": int64(len(r.Failed)),
		},
	}, err, r.Failed, r.Notices)
	return r, err
}

// importFrom is the run.
func (m *importer) importFrom(dir string) (err error) {
	if m.root, err = os.OpenRoot(dir); err != nil {
		return err
	}
	defer m.root.Close()
	run, err := m.store.BeginRun("import", 0)
	if err != nil {
		return err
	}
	m.result.Run = run.ID
	m.record = recorder{store: m.store, run: run.ID}
	m.tree = m.store.Tree(spacedb.Actor{Origin: spacedb.OriginImport, Run: run.ID})
	m.options.Reporter.Tell(Event{Event: Started, Kind: "import", Run: run.ID, Space: m.store.File(), Directory: dir})
	m.options.Reporter.Tell(Event{Event: Progress, Phase: "import"})
	if err = m.makeInto(); err == nil {
		err = m.directory("", m.options.Into)
	}
	r := m.result
	detail := fmt.Sprintf("%d imported, %d unchanged, %d skipped, %d failed", r.Imported, r.Unchanged, r.Skipped, len(r.Failed))
	if err != nil {
		detail = err.Error()
	}
	return errors.Join(err, m.store.FinishRun(run.ID, outcomeOf(err, len(r.Failed), 0), detail, m.record.waiting), m.store.Sync())
}

type importer struct {
	ctx     context.Context
	root    *os.Root
	store   *spacedb.Store
	tree    *spacedb.Tree
	options ImportOptions
	result  ImportResult
	record  recorder
}

func (m *importer) makeInto() error {
	var at string
	for _, name := range strings.Split(m.options.Into, "/") {
		if name == "" {
			continue
		}
		at = join(at, name)
		_, err := m.tree.PlaceDir(at, spacedb.Guard{Absent: true}, 0o755, 0)
		switch {
		case err == nil:
			m.note(at, conflict.Mkdir, spacedb.State{}, spacedb.State{Mode: spacedb.TypeDir | 0o755})
		case !errors.Is(err, spacedb.ErrChanged):
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	return nil
}

func (m *importer) fail(from string, err error) {
	m.result.Failed = append(m.result.Failed, PathError{from, cause(err)})
	m.record.waiting = append(m.record.waiting, spacedb.ActionRecord{Path: from, Op: "import", Side: "space", Error: cause(err)})
}

// directory imports what is in from to the space's directory to.
func (m *importer) directory(from, to string) error {
	d, err := m.root.Open(orDot(from))
	if err != nil {
		m.fail(from, err)
		return nil
	}
	entries, err := d.ReadDir(-1)
	d.Close()
	if err != nil {
		m.fail(from, err)
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	for _, e := range entries {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		p := join(from, e.Name())
		if p == stateDir {
			continue
		}
		m.options.Reporter.Step()
		info, err := e.Info()
		if err == nil {
			err = m.entry(p, join(to, e.Name()), info)
		}
		switch {
		case err == nil:
		case fatal(err):
			return err
		default:
			m.fail(p, err)
		}
	}
	return nil
}

// fatal: the space itself cannot take any more.
func fatal(err error) bool {
	return errors.Is(err, spacedb.ErrNoSpace) || errors.Is(err, spacedb.ErrReadOnly) || errors.Is(err, spacedb.ErrClosed) ||
		errors.Is(err, spacedb.ErrDamaged) || errors.Is(err, context.Canceled)
}

func (m *importer) entry(from, to string, info fs.FileInfo) error {
	have, err := m.tree.Resolve(to)
	if err != nil && !errors.Is(err, spacedb.ErrNotFound) {
		return err
	}
	there := err == nil
	perm := spacedb.UnixMode(info.Mode()) & spacedb.PermMask
	mtime := info.ModTime().UnixNano()
	switch mode := info.Mode(); {
	case mode.IsDir():
		return m.dir(from, to, have, there, perm, mtime)
	case mode&fs.ModeSymlink != 0:
		return m.symlink(from, to, have, there, mtime)
	case mode.IsRegular() && m.isOurs(info):
		m.result.Notices = append(m.result.Notices, from+": skipped, it is the space itself")
		return nil
	case mode.IsRegular():
		return m.file(from, to, have, there, perm)
	}
	m.result.Notices = append(m.result.Notices, from+": skipped, special file")
	return nil
}

// isOurs: a space may lie in the very directory it is filled from.
func (m *importer) isOurs(info fs.FileInfo) bool {
	for _, name := range m.store.Files() {
		if ours, err := os.Lstat(name); err == nil && os.SameFile(ours, info) {
			return true
		}
	}
	return false
}

func (m *importer) dir(from, to string, have spacedb.Attr, there bool, perm uint32, mtime int64) error {
	if there && !have.IsDir() {
		return fmt.Errorf("the space has a %s there, not a directory", kindName(have))
	}
	after := spacedb.State{Mode: spacedb.TypeDir | perm&permMask, Mtime: mtime}
	if !there {
		if _, err := m.tree.PlaceDir(to, spacedb.Guard{Absent: true}, perm, mtime); err != nil {
			return err
		}
		m.note(to, conflict.Mkdir, spacedb.State{}, after)
	}
	if err := m.directory(from, to); err != nil {
		return err
	}
	_, err := m.tree.ChangeAt(to, spacedb.Guard{}, spacedb.AttrChange{Mode: &perm, Mtime: &mtime})
	if before := (spacedb.State{Mode: spacedb.TypeDir | have.Perm()&permMask, Mtime: have.Mtime}); err == nil && there && before.Mode != after.Mode {
		m.note(to, conflict.Chmod, before, after)
	}
	return err
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

func (m *importer) symlink(from, to string, have spacedb.Attr, there bool, mtime int64) error {
	target, err := m.root.Readlink(from)
	if err != nil {
		return err
	}
	if there && have.IsSymlink() {
		if now, err := m.tree.Readlink(have.ID); err == nil && now == target {
			m.result.Unchanged++
			return nil
		}
	}
	to, guard, skipped, err := m.place(to, have, there)
	if err != nil || skipped {
		return err
	}
	before, err := m.before(guard, have)
	if err != nil {
		return err
	}
	if _, err = m.tree.PlaceSymlink(to, guard, target, mtime); err != nil {
		return err
	}
	m.count(to, conflict.Link, before, spacedb.State{Mode: spacedb.TypeSymlink | 0o777, Target: target, Mtime: mtime}, 0)
	return nil
}

// before is what an import is about to replace.
func (m *importer) before(guard spacedb.Guard, have spacedb.Attr) (s spacedb.State, err error) {
	if guard.Absent {
		return s, nil
	}
	s = spacedb.State{Mode: have.Mode&spacedb.TypeMask | have.Perm()&permMask, Mtime: have.Mtime}
	switch {
	case have.IsSymlink():
		s.Mode = spacedb.TypeSymlink | 0o777
		s.Target, err = m.tree.Readlink(have.ID)
	case have.IsRegular():
		s.SHA256, err = m.hash(have)
	default:
		return spacedb.State{}, nil // a special file cannot be had back
	}
	return s, err
}

func (m *importer) hash(have spacedb.Attr) (sum spacedb.Hash, err error) {
	h := sha256.New()
	_, err = io.Copy(h, io.NewSectionReader(readerAt{m.tree, have.ID}, 0, have.Size))
	h.Sum(sum[:0])
	return sum, err
}

// readerAt reads a document as it is now.
type readerAt struct {
	tree *spacedb.Tree
	id   spacedb.NodeID
}

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.tree.ReadAt(r.id, p, off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// note writes down what was done at a path, every now and then into the space.
func (m *importer) note(to string, op conflict.Op, before, after spacedb.State) {
	const often = 1024
	m.record.waiting = append(m.record.waiting, spacedb.ActionRecord{
		Path: to, Op: op.String(), Side: conflict.Space.String(), Reason: "imported", Before: before, After: after,
	})
	if len(m.record.waiting) >= often {
		_ = m.record.flush() // the tree's next operation has the same trouble
	}
	m.options.Reporter.Tell(Event{Event: Acted, Path: to, Op: op.String(), Side: conflict.Space.String(), Reason: "imported"})
}

func (m *importer) count(to string, op conflict.Op, before, after spacedb.State, size int64) {
	m.result.Imported++
	m.result.Bytes += size
	m.note(to, op, before, after)
}

func (m *importer) file(from, to string, have spacedb.Attr, there bool, perm uint32) error {
	f, err := openFile(m.root, from)
	if err != nil {
		return err
	}
	defer f.Close()
	if there && have.IsRegular() {
		same, err := m.same(f, have)
		if err != nil {
			return err
		}
		if same {
			m.result.Unchanged++
			return nil
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	to, guard, skipped, err := m.place(to, have, there)
	if err != nil || skipped {
		return err
	}
	staged := m.tree.Stage()
	defer staged.Discard()
	before, _, after, err := hashFile(f, staged)
	if err != nil {
		return err
	}
	if before != after {
		return errMoved
	}
	was, err := m.before(guard, have)
	if err != nil {
		return err
	}
	if _, err = m.tree.Place(to, guard, staged, perm, after.mtime); err != nil {
		return err
	}
	m.count(to, conflict.Write, was, spacedb.State{Mode: spacedb.TypeRegular | perm&permMask, SHA256: staged.SHA256(), Mtime: after.mtime}, staged.Size())
	return nil
}

// same says whether a document has a file's content.
func (m *importer) same(f *os.File, have spacedb.Attr) (bool, error) {
	info, err := f.Stat()
	if err != nil || info.Size() != have.Size {
		return false, err
	}
	a, b := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); ; {
		n, err := io.ReadFull(f, a)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return false, err
		}
		k, rerr := m.tree.ReadAt(have.ID, b[:n], off)
		if rerr != nil {
			return false, rerr
		}
		if k != n || string(a[:n]) != string(b[:k]) {
			return false, nil
		}
		if n < len(a) {
			return true, nil
		}
		off += int64(n)
	}
}

// place decides where something goes that may be there already.
func (m *importer) place(to string, have spacedb.Attr, there bool) (path string, guard spacedb.Guard, skipped bool, err error) {
	if !there {
		return to, spacedb.Guard{Absent: true}, false, nil
	}
	switch m.options.OnConflict {
	case SkipIt:
		m.result.Skipped++
		return "", spacedb.Guard{}, true, nil
	case RenameIt:
		free, err := m.freeName(to)
		return free, spacedb.Guard{Absent: true}, false, err
	}
	if have.IsDir() {
		return "", spacedb.Guard{}, false, errors.New("the space has a directory there")
	}
	return to, spacedb.GuardOf(have), false, nil
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
