package materialize

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"spacefs/spacedb"
)

// RestoreOptions say what comes back, and from when.
type RestoreOptions struct {
	Path string         // a document or a whole tree; "" is all of it
	Rev  string         // a revision of the document at Path, instead of a moment
	At   spacedb.Moment // zero: when something was last at Path
	Run  int64          // everything that this run deleted, replaced or changed
	To   string         // another place for what was at Path

	DryRun   bool
	Reporter Reporter
}

// RestoreResult is what a restore did. Of a dry run, it is what one would do.
type RestoreResult struct {
	Run       int64         `json:"run,omitempty"`
	From      string        `json:"from"` // the revision or moment
	Restored  []RestoreLine `json:"restored"`
	Unchanged int           `json:"unchanged"`
	Failed    []PathError   `json:"failed,omitempty"`
}

// RestoreLine is one path that came back.
type RestoreLine struct {
	Op   string `json:"op"` // "write", "mkdir", "symlink", "chmod"
	Path string `json:"path"`
}

// Restore brings back what the tree held. It adds and overwrites and never
// deletes: what came since stays, and what is overwritten is in its history. A
// path that fails is reported, and the others go on.
func Restore(ctx context.Context, store *spacedb.Store, o RestoreOptions) (r RestoreResult, err error) {
	if o.Reporter == nil {
		o.Reporter = silent{}
	}
	start := time.Now()
	x := &restorer{ctx: ctx, store: store, options: o}
	x.result.Restored = []RestoreLine{}
	err = x.run()
	r = x.result
	conclude(o.Reporter, Event{
		Kind: "restore", Run: r.Run, DryRun: o.DryRun, Outcome: outcomeOf(err, len(r.Failed), 0), Millis: time.Since(start).Milliseconds(),
		Counts: map[string]int64{"restored": int64(len(r.Restored)), "unchanged": int64(r.Unchanged), "failed": int64(len(r.Failed))},
	}, err, r.Failed, nil)
	return r, err
}

type restorer struct {
	ctx     context.Context
	store   *spacedb.Store
	options RestoreOptions
	tree    *spacedb.Tree
	now     *spacedb.Snapshot
	steps   []restoreStep
	result  RestoreResult
	records []spacedb.ActionRecord
}

// restoreStep is one path that comes back.
type restoreStep struct {
	item   spacedb.Item // as it was
	target string
	op     string
	expect spacedb.Guard // what is there now
	before spacedb.State // likewise
}

// source is what comes back: items with their content, parents first.
type source struct {
	from  string
	walk  func(fn func(spacedb.Item) error) error
	open  func(spacedb.Item) (io.Reader, error)
	close func() error
}

func (x *restorer) run() (err error) {
	// What is there now must be in history before it is replaced.
	if err := x.store.Seal(x.ctx); err != nil {
		return err
	}
	src, err := x.source()
	if err != nil {
		return err
	}
	defer src.close()
	if x.now, err = x.store.Snapshot(x.ctx); err != nil {
		return err
	}
	defer x.now.Close()
	x.result.From = src.from
	if err := src.walk(x.plan); err != nil {
		return err
	}
	started := Event{Event: Started, Kind: "restore", Space: x.store.File(), DryRun: x.options.DryRun, Total: len(x.steps)}
	if x.options.DryRun || len(x.steps) == 0 {
		x.options.Reporter.Tell(started)
		for _, s := range x.steps {
			x.done(src, s)
		}
		return nil
	}
	run, err := x.store.BeginRun("restore", 0)
	if err != nil {
		return err
	}
	x.result.Run, started.Run = run.ID, run.ID
	x.tree = x.store.Tree(spacedb.Actor{Origin: spacedb.OriginRestore, Run: run.ID})
	x.options.Reporter.Tell(started)
	x.options.Reporter.Tell(Event{Event: Progress, Phase: "restore", Total: len(x.steps)})
	err = x.carryOut(src)
	detail := fmt.Sprintf("%s: %d restored, %d unchanged, %d failed", src.from, len(x.result.Restored), x.result.Unchanged, len(x.result.Failed))
	if err != nil {
		detail = err.Error()
	}
	return errors.Join(err, x.store.FinishRun(run.ID, outcomeOf(err, len(x.result.Failed), 0), detail, x.records), x.store.Sync())
}

func (x *restorer) done(src *source, s restoreStep) {
	x.result.Restored = append(x.result.Restored, RestoreLine{s.op, s.target})
	x.options.Reporter.Tell(Event{Event: Acted, Path: s.target, Op: s.op, Side: "space", Reason: src.from})
}

func (x *restorer) failed(target string, err error) {
	x.result.Failed = append(x.result.Failed, PathError{target, cause(err)})
}

// source finds what the options mean.
func (x *restorer) source() (*source, error) {
	o := x.options
	switch {
	case o.Run != 0:
		return x.endedBy(o.Run)
	case o.Rev != "":
		return x.revision(o.Path, o.Rev)
	}
	var v *spacedb.Snapshot
	var err error
	from := o.At.String()
	if o.At == (spacedb.Moment{}) {
		if _, err := x.store.Tree(spacedb.Actor{}).Resolve(o.Path); err == nil {
			return nil, fmt.Errorf("%s is there; say what to restore: a revision (PATH@REV) or a moment (--at WHEN)", orAll(o.Path))
		}
		from = "when it was last there"
		v, err = x.store.SnapshotOfLast(x.ctx, o.Path)
	} else {
		v, err = x.store.SnapshotAt(x.ctx, o.At)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", orAll(o.Path), err)
	}
	src := treeSource(v, from)
	src.walk = func(fn func(spacedb.Item) error) error {
		if o.Path == "" {
			return v.Walk(x.ctx, "", fn)
		}
		it, err := v.Item(o.Path)
		if err != nil {
			return fmt.Errorf("%s was not there then: %w", o.Path, err)
		}
		if err := fn(it); err != nil || !it.Attr.IsDir() {
			return notSkip(err)
		}
		return v.Walk(x.ctx, o.Path, fn)
	}
	return src, nil
}

func notSkip(err error) error {
	if errors.Is(err, fs.SkipDir) {
		return nil
	}
	return err
}

func orAll(path string) string {
	if path == "" {
		return "the space"
	}
	return path
}

func treeSource(v *spacedb.Snapshot, from string) *source {
	return &source{
		from:  from,
		open:  func(it spacedb.Item) (io.Reader, error) { return v.Open(it.Attr.ID) },
		close: v.Close,
	}
}

// endedBy is everything that a run took away, as it was before the run.
func (x *restorer) endedBy(run int64) (*source, error) {
	v, err := x.store.SnapshotAt(x.ctx, spacedb.Moment{Before: run})
	if err != nil {
		return nil, err
	}
	paths, err := v.EndedBy(run)
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	src := treeSource(v, fmt.Sprintf("before run %d", run))
	src.walk = func(fn func(spacedb.Item) error) error {
		for _, p := range paths {
			it, err := v.Item(p)
			if errors.Is(err, spacedb.ErrNotFound) { // it never had a revision
				continue
			}
			if err == nil {
				err = notSkip(fn(it))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return src, nil
}

// revision is one revision of one document.
func (x *restorer) revision(p, rev string) (*source, error) {
	content, r, err := x.store.OpenRevision(p, rev)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	it := spacedb.Item{
		Path: p, Sealed: true, SHA256: r.SHA256,
		Attr: spacedb.Attr{Mode: r.Mode, Size: r.Size, Mtime: r.Mtime.UnixNano()},
	}
	if it.Attr.IsSymlink() {
		target, err := io.ReadAll(content)
		if err != nil {
			return nil, errors.Join(err, content.Close())
		}
		it.Target = string(target)
	}
	return &source{
		from:  fmt.Sprintf("revision %d", r.Number),
		walk:  func(fn func(spacedb.Item) error) error { return notSkip(fn(it)) },
		open:  func(spacedb.Item) (io.Reader, error) { return content, nil },
		close: content.Close,
	}, nil
}

var errKindInTheWay = errors.New("something of another kind is there now; move it away, or restore with --to")

// plan decides what there is to do for one item. What cannot be done is noted,
// and with a directory all that is below it is passed over.
func (x *restorer) plan(it spacedb.Item) error {
	if err := x.ctx.Err(); err != nil {
		return err
	}
	if it.Junk {
		return skip(it.Attr)
	}
	s := restoreStep{item: it, target: it.Path, op: opOf(it.Attr), expect: spacedb.Guard{Absent: true}}
	if x.options.To != "" {
		s.target = path.Join(x.options.To, strings.TrimPrefix(it.Path, x.options.Path))
	}
	have, err := x.now.Item(s.target)
	switch {
	case errors.Is(err, spacedb.ErrNotFound):
	case errors.Is(err, spacedb.ErrNotDir), err == nil && have.Attr.Type() != it.Attr.Type():
		x.failed(s.target, errKindInTheWay)
		return skip(it.Attr)
	case err != nil:
		return err
	default:
		s.expect, s.before = spacedb.GuardOf(have.Attr), stateOf(itemEntry(have))
		if sameContent(have, it) {
			if have.Attr.IsSymlink() || have.Attr.Perm() == it.Attr.Perm() {
				x.result.Unchanged++
				return nil
			}
			s.op = "chmod"
		}
	}
	x.steps = append(x.steps, s)
	return nil
}

func opOf(a spacedb.Attr) string {
	switch {
	case a.IsDir():
		return "mkdir"
	case a.IsSymlink():
		return "symlink"
	}
	return "write"
}

// sameContent: have is what it was, but for the mode. They are of one type.
func sameContent(have, was spacedb.Item) bool {
	switch {
	case was.Attr.IsDir():
		return true
	case was.Attr.IsSymlink():
		return have.Target == was.Target
	}
	return have.Sealed && have.SHA256 == was.SHA256
}

func (x *restorer) carryOut(src *source) error {
	for _, s := range x.steps {
		if err := x.ctx.Err(); err != nil {
			return err
		}
		record := spacedb.ActionRecord{
			Path: s.target, Op: s.op, Side: "space", Reason: src.from, Before: s.before, After: stateOf(itemEntry(s.item)),
		}
		if err := x.act(src, s); err != nil {
			record.Error = cause(err)
			x.failed(s.target, err)
		} else {
			x.done(src, s)
		}
		x.records = append(x.records, record)
		x.options.Reporter.Step()
	}
	return nil
}

// act does one step, unless something else is there than was planned for.
func (x *restorer) act(src *source, s restoreStep) error {
	perm, mtime := s.item.Attr.Perm(), s.item.Attr.Mtime
	if s.expect.Absent {
		if err := x.makeParents(s.target); err != nil {
			return err
		}
	}
	var err error
	switch s.op {
	case "chmod":
		_, err = x.tree.ChangeAt(s.target, s.expect, spacedb.AttrChange{Mode: &perm})
	case "mkdir":
		_, err = x.tree.PlaceDir(s.target, s.expect, perm, mtime)
		if errors.Is(err, spacedb.ErrChanged) { // it was made above something that came before it
			_, err = x.tree.ChangeAt(s.target, spacedb.Guard{}, spacedb.AttrChange{Mode: &perm})
		}
	case "symlink":
		_, err = x.tree.PlaceSymlink(s.target, s.expect, s.item.Target, mtime)
	default:
		err = x.document(src, s.item, s.target, s.expect)
	}
	return err
}

func (x *restorer) document(src *source, it spacedb.Item, target string, guard spacedb.Guard) error {
	content, err := src.open(it)
	if err != nil {
		return err
	}
	g := x.tree.Stage()
	defer g.Discard()
	if _, err := io.Copy(g, content); err != nil {
		return err
	}
	if g.SHA256() != it.SHA256 {
		return fmt.Errorf("its content is not what was recorded; see spacefs check: %w", spacedb.ErrDamaged)
	}
	_, err = x.tree.Place(target, guard, g, it.Attr.Perm(), it.Attr.Mtime)
	return err
}

// makeParents makes the directories that are missing above a path.
func (x *restorer) makeParents(target string) error {
	for i, b := range []byte(target) {
		if b != '/' {
			continue
		}
		dir := target[:i]
		a, err := x.tree.Resolve(dir)
		switch {
		case err == nil && !a.IsDir():
			return errKindInTheWay
		case errors.Is(err, spacedb.ErrNotFound):
			a, err := x.tree.PlaceDir(dir, spacedb.Guard{Absent: true}, 0o755, time.Now().UnixNano())
			if err != nil {
				return err
			}
			x.records = append(x.records, spacedb.ActionRecord{
				Path: dir, Op: "mkdir", Side: "space", Reason: "above " + target, After: stateOf(itemEntry(spacedb.Item{Attr: a})),
			})
		case err != nil:
			return err
		}
	}
	return nil
}
