package materialize

import (
	"context"
	"errors"
	"fmt"
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
