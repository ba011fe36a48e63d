package materialize

import (
	"context"
	"errors"
	"fmt"

	"spacefs/spacedb"
)

func (u *undoer) execute(ctx context.Context) error {
	if len(u.plan.Actions) == 0 {
		return nil
	}
	if u.mirror != nil {
		if err := u.mirror.checkWritable(u.plan); err != nil {
			return err
		}
	}
	run, err := u.store.BeginRun("undo", u.of.Mirror)
	if err != nil {
		return err
	}
	u.result.Run = run.ID
	u.options.Reporter.Tell(Event{Event: Started, Kind: "undo", Run: run.ID, Space: u.store.File(), Directory: u.dir, Total: len(u.plan.Actions)})
	x := u.executor(ctx, run)
	if err = u.settle(run); err == nil {
		err = x.execute(u.plan)
	}
	u.result.Failed = append(append(u.result.Failed, x.failed.list...), x.refused...)
	done := map[string]bool{}
	for _, a := range x.did {
		done[a.Path] = true
	}
	u.result.Done = len(done)
	if err == nil && u.mirror != nil {
		err = u.store.SetApart(u.mirror.known.ID, nil, u.joined)
	}
	detail := fmt.Sprintf("of run %d: %d paths taken back, %d left as they are", u.of.ID, u.result.Done, len(u.result.Failed))
	if err != nil {
		detail = err.Error()
	}
	return errors.Join(err, u.store.FinishRun(run.ID, outcomeOf(err, len(u.result.Failed), 0), detail, x.record.waiting), u.store.Sync())
}

// settle says which paths will be apart before anything is done. Killed
// before a path is turned back, its sides agree and the next sync adopts them;
// killed after it, the next sync leaves them apart.
func (u *undoer) settle(run spacedb.Run) error {
	if u.mirror == nil {
		return nil
	}
	var set []spacedb.Apart
	for p, a := range u.divided {
		a.Run = run.ID
		u.divided[p] = a
		set = append(set, a)
	}
	id := u.mirror.known.ID
	return errors.Join(u.store.SetApart(id, set, nil), u.store.AdvanceBaseWith(id, u.rebased, u.unbased, u.agreed), u.store.Sync())
}

func (u *undoer) executor(ctx context.Context, run spacedb.Run) *executor {
	x := &executor{
		ctx: ctx, mirror: u.mirror, snapshot: u.view, run: run.ID,
		tree:  u.store.Tree(spacedb.Actor{Origin: spacedb.OriginUndo, Run: run.ID}),
		space: u.space, seen: u.seen, report: u.options.Reporter, phase: "undo", now: u.options.Now,
		record: &recorder{store: u.store, run: run.ID, attributes: u.attributes}, attributes: u.attributes, apart: u.divided, member: member{reach: &reach{}}, crew: &crew{},
	}
	if u.mirror == nil {
		return x
	}
	x.base = u.base.entries
	x.equip(u.options.wrap)
	return x
}
