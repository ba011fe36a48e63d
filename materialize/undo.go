package materialize

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"spacefs/conflict"
	"spacefs/internal/attributes"
	"spacefs/spacedb"
)

// UndoOptions of Undo.
type UndoOptions struct {
	Dir      string // where the run's mirror is now; "": where it was last seen
	Reporter Reporter
	Now      func() time.Time
	wrap     func(disk) disk
}

// UndoResult is what an undo did.
type UndoResult struct {
	Run    int64 // 0: there was nothing to take back
	Done   int   // paths
	Failed []PathError
}

// Undo takes a run back: both sides and what they had agreed on become what they
// were before it. A path at which anything has changed since is left as it is
// and is among the failed. Undo is a run itself and can be undone.
//
// Afterwards the sides differ again where they did before the run. So that the
// next sync does not just repeat it, those paths are remembered as being apart:
// a sync leaves them alone until one of the sides changes.
func Undo(ctx context.Context, store *spacedb.Store, run int64, o UndoOptions) (UndoResult, error) {
	if o.Reporter == nil {
		o.Reporter = silent{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	start := o.Now()
	u := &undoer{store: store, options: o}
	err := u.undo(ctx, run)
	conclude(o.Reporter, Event{
		Kind: "undo", Run: u.result.Run, Directory: u.dir, Outcome: outcomeOf(err, len(u.result.Failed), 0),
		Counts: map[string]int64{"undone": int64(u.result.Done), "failed": int64(len(u.result.Failed))}, Millis: o.Now().Sub(start).Milliseconds(),
	}, err, u.result.Failed, nil)
	return u.result, err
}

type undoer struct {
	store   *spacedb.Store
	options UndoOptions
	result  UndoResult
	of      spacedb.Run
	dir     string     // the mirror; "": the run had none
	mirror  *mirrorDir // nil: the run had none
	scanner *mirrorScanner
	view    *spacedb.Snapshot
	base    *baseline
	apart   map[string]spacedb.Apart // before
	plan    conflict.Plan
	space   map[string]spacedb.Item
	seen    map[string]observation
	divided map[string]spacedb.Apart // after
	rebased []spacedb.BaseEntry      // the bases of those
	unbased []string
	joined  []string // apart before, and not after
	// attributes: extended ones are looked at and taken back; agreed are those of
	// the rebased.
	attributes bool
	agreed     map[string]attributes.Set
}

func (u *undoer) undo(ctx context.Context, run int64) error {
	of, actions, err := u.store.RunActions(run)
	if err != nil {
		return fmt.Errorf("run %d: %w", run, err)
	}
	if of.Kind == "export" {
		return fmt.Errorf("run %d is an export: it changed neither the space nor a mirror", run)
	}
	u.of = of
	if err := u.openMirror(); err != nil {
		return err
	}
	if u.mirror != nil {
		defer u.mirror.root.Close()
	}
	u.attributes = u.knowsAttributes(actions)
	if err := u.look(ctx); err != nil {
		return err
	}
	defer u.view.Close()
	for _, t := range turnsOf(actions) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := u.consider(t); err != nil {
			if fatal(err) {
				return err
			}
			u.result.Failed = append(u.result.Failed, PathError{t.path, cause(err)})
		}
	}
	u.plan.Sort()
	return u.execute(ctx)
}

// openMirror opens the run's mirror, if it had one.
func (u *undoer) openMirror() error {
	if u.of.Mirror == 0 {
		return nil
	}
	mirrors, err := u.store.Mirrors()
	if err != nil {
		return err
	}
	dir := u.options.Dir
	for _, m := range mirrors {
		if m.ID == u.of.Mirror && dir == "" {
			dir = m.Path
		}
	}
	if u.dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(u.dir); err == nil {
		u.dir = real
	}
	if u.mirror, err = openMirror(u.store, u.dir); err != nil {
		return err
	}
	if u.mirror.known.ID != u.of.Mirror {
		u.mirror.root.Close()
		return stopped("%s is not the mirror of run %d", u.dir, u.of.ID)
	}
	return nil
}

func (u *undoer) look(ctx context.Context) (err error) {
	if err := u.store.Seal(ctx); err != nil {
		return err
	}
	if u.view, err = u.store.Snapshot(ctx); err != nil {
		return err
	}
	u.space, u.seen = map[string]spacedb.Item{}, map[string]observation{}
	u.apart, u.divided = map[string]spacedb.Apart{}, map[string]spacedb.Apart{}
	u.agreed = map[string]attributes.Set{}
	if u.mirror == nil {
		return nil
	}
	list, err := u.view.Apart(u.mirror.known.ID)
	for _, a := range list {
		u.apart[a.Path] = a
	}
	if err == nil {
		u.base, err = openBaseline(u.view, u.mirror.known.ID, u.inForce())
	}
	u.scanner = &mirrorScanner{
		ctx: ctx, root: u.mirror.root, now: u.options.Now, out: &mirrorScan{}, attributes: u.attributes, lastSync: u.mirror.known.LastSync,
	}
	return err
}

// inForce: attributes are synced with the run's mirror.
func (u *undoer) inForce() bool {
	return u.mirror != nil && u.mirror.known.MetadataState == spacedb.MetadataInForce
}

// knowsAttributes says whether there is anything to take back of attributes, or
// to keep.
func (u *undoer) knowsAttributes(actions []spacedb.ActionRecord) bool {
	recorded := u.inForce()
	for _, a := range actions {
		recorded = recorded || a.Before.Attributes != nil || a.After.Attributes != nil
	}
	return recorded && (u.mirror == nil || takesAttributes(u.mirror.root))
}
