package materialize

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// SyncOptions of Sync; the zero value is a two-way sync.
type SyncOptions struct {
	conflict.Rules
	DryRun        bool // plan, and change nothing anywhere
	AcceptDeletes bool // the deletion guards are answered
	MaxDelete     Limit
	Metadata      *bool // extended attributes, too; nil: as the mirror was synced last
	Reporter      Reporter
	Now           func() time.Time
	wrap          func(disk) disk     // tests put faults between
	fold          func(string) string // tests say what a filesystem would
	only          selection           // nil: whatever there is to do
	given         *Resolution         // of a conflict, by a person

	// Of a live mirror.
	focus *focus                             // nil: on everything
	seal  func(context.Context) error        // nil: what is not at rest, too
	enter func(path string, d directory)     // told of each directory that is listed
	guard func(space, mirror int) (int, int) // deletions that count besides the plan's
}

// rounds is how often a sync looks again when things changed under its hands.
const rounds = 3

// Sync brings the space and the directory dir into agreement. A *GuardError
// means that nothing was done. Paths that failed are in the result, not in the
// error; they keep their base, and the next sync tries them again.
func Sync(ctx context.Context, store *spacedb.Store, dir string, o SyncOptions) (SyncResult, error) {
	if o.Reporter == nil {
		o.Reporter = silent{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	start := o.Now()
	dir, err := filepath.Abs(dir)
	if err != nil {
		return SyncResult{}, err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	s := &syncer{store: store, options: o, result: &SyncResult{Mirror: dir}}
	err = s.sync(ctx)
	s.result.Duration = o.Now().Sub(start)
	s.conclude(err)
	return *s.result, err
}

func (s *syncer) sync(ctx context.Context) (err error) {
	if s.mirror, err = openMirror(s.store, s.result.Mirror); err != nil {
		return err
	}
	defer s.mirror.root.Close()
	s.result.mirrorUUID = s.mirror.known.UUID
	if s.options.only != nil {
		if err := s.options.only.check(s.mirror); err != nil {
			return err
		}
	}
	if !s.options.DryRun {
		if err := s.mirror.enroll(s.store); err != nil {
			return err
		}
	}
	if err := s.decideMetadata(); err != nil {
		return err
	}
	for range rounds {
		again, err := s.round(ctx)
		if err != nil {
			return errors.Join(err, s.finish(err))
		}
		if !again {
			break
		}
	}
	return s.finish(nil)
}

// kind is what sort of run this is.
func (s *syncer) kind() string {
	if s.options.only != nil {
		return s.options.only.kind()
	}
	return "sync"
}

// syncer is one run.
type syncer struct {
	store      *spacedb.Store
	mirror     *mirrorDir
	options    SyncOptions
	result     *SyncResult
	run        spacedb.Run
	started    bool // told
	everything bool // is to be looked at in the next round
	noMoves    bool // they cannot be made in this mirror
	attributes bool // extended ones are synced
	anew       bool // and nothing is agreed on about them yet
	notices    []string
	record     recorder
	did        []*conflict.Action  // in the rounds so far
	ended      []conflict.Conflict // in the rounds so far, with a winner
}

// round is one look at both sides and what follows from it; again says that
// something changed meanwhile.
func (s *syncer) round(ctx context.Context) (again bool, err error) {
	v, err := s.look(ctx)
	if err != nil {
		return false, err
	}
	defer v.snapshot.Close()
	s.tell(v)
	if s.options.DryRun {
		if err := s.guardDeletions(v); err != nil { // to be looked at is what a dry run is for
			s.result.Notices = append(s.result.Notices, err.Error())
		}
		s.start(v.plan)
		return false, nil
	}
	if !s.options.AcceptDeletes {
		if err := s.guardDeletions(v); err != nil {
			return false, err
		}
	}
	if err := s.mirror.checkWritable(v.plan); err != nil {
		return false, err
	}
	if err := s.store.KeepGlances(v.snapshot, s.mirror.known.ID, v.mirror.glances); err != nil {
		return false, err
	}
	if s.newsIn(v.plan) {
		if err := s.begin(); err != nil {
			return false, err
		}
	}
	s.start(v.plan)
	x := s.executor(ctx, v)
	err = x.execute(v.plan)
	s.noMoves = s.noMoves || x.noMoves
	s.did = append(s.did, x.did...)
	s.result.Done = len(s.did)
	s.result.Failed = append(append(s.result.Failed, x.failed.list...), x.refused...)
	v.refusedAttributes = x.refused
	v.plan.Left = append(v.plan.Left, x.left...)
	s.result.Plan.Left = append(s.result.Plan.Left, x.left...)
	if err != nil {
		return false, err
	}
	if err := s.store.SetApart(s.mirror.known.ID, nil, v.apart.stale); err != nil {
		return false, err
	}
	if err := s.refresh(v); err != nil {
		return false, err
	}
	if s.run.ID != 0 || s.options.focus == nil {
		if err := s.noteConflicts(v.plan, func(p string) bool { return v.mirror.failed.cover(p) || x.failed.cover(p) }); err != nil {
			return false, err
		}
	}
	if err := s.seen(v); err != nil || s.options.only != nil {
		return false, err
	}
	s.everything = s.decided(v.plan)
	return s.everything || onlyChanged(x.failed.list), nil
}

// decided says whether a plan brought patterns to a side: both have them now,
// and what they do not ignore any more has not been looked at.
func (s *syncer) decided(plan conflict.Plan) bool {
	for i := range plan.Actions {
		if isIgnoreFile(plan.Actions[i].Path) {
			return true
		}
	}
	return false
}

// seen takes note of how far this round has brought both sides.
func (s *syncer) seen(v *view) (err error) {
	l := s.leftover(v, s.result.Failed)
	if s.run.ID != 0 {
		if l.seq, err = s.store.Seen(l.seq, s.run.ID); err != nil {
			return err
		}
	}
	if s.decided(v.plan) {
		l.again = append(l.again, IgnoreFile) // and with it everything
	}
	s.result.leftover = l
	known := s.mirror.known
	if len(l.again)+len(l.left) > 0 || s.options.focus != nil && (s.run.ID == 0 || known.Seq == 0) {
		return nil
	}
	s.mirror.known.Seq = l.seq
	return s.store.FinishSync(known.ID, known.Seq, l.seq)
}

// onlyChanged: when every failure is that something moved, it is worth looking
// again.
func onlyChanged(failed []PathError) bool {
	for _, f := range failed {
		if f.Cause != errChanged.Error() {
			return false
		}
	}
	return len(failed) > 0
}
