package materialize

import (
	"context"
	"errors"
	"time"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// Explanation is what a mirror and the space hold at a path, what they last
// agreed on, and what a sync would do now.
type Explanation struct {
	Directory string        `json:"directory"`
	Base      spacedb.State `json:"base,omitzero"`
	Space     spacedb.State `json:"space,omitzero"`
	Unsealed  bool          `json:"unsealed,omitempty"` // somebody is just writing it: no revision has it yet
	Mirror    spacedb.State `json:"mirror,omitzero"`
	// Next are the events of a sync: actions, a conflict, or an error; none when
	// there is nothing to do.
	Next []Event `json:"next"`
	// Error: the mirror cannot be looked at; the rest is what the space knows.
	Error string `json:"error,omitempty"`
}

// Explain looks at one path; of metadata as in SyncOptions. Nothing is changed.
func Explain(ctx context.Context, store *spacedb.Store, dir, path string, rules conflict.Rules, metadata *bool) (e Explanation, err error) {
	e = Explanation{Directory: dir, Next: []Event{}}
	s := &syncer{store: store, result: &SyncResult{Mirror: dir}, options: SyncOptions{
		Rules: rules, Metadata: metadata, DryRun: true, AcceptDeletes: true, Reporter: silent{}, Now: time.Now,
	}}
	if s.mirror, err = openMirror(store, dir); err != nil {
		e.Error = err.Error()
		return e, nil
	}
	defer s.mirror.root.Close()
	if err := s.decideMetadata(); err != nil {
		return e, err
	}
	v, err := s.look(ctx)
	if err != nil {
		return e, err
	}
	defer v.snapshot.Close()
	s.tell(v)
	e.Next = s.eventsAt(path)
	return e, e.look(ctx, s, v.snapshot, path)
}

// eventsAt is what a dry run would tell of one path.
func (s *syncer) eventsAt(path string) []Event {
	events := []Event{}
	plan := s.result.Plan
	for _, a := range plan.Actions {
		if a.Path == path {
			events = append(events, actionEvent(a))
		}
	}
	for _, l := range plan.Left {
		if l.Path == path {
			events = append(events, Event{Event: Acted, Path: l.Path, Op: "leave", Reason: l.Reason})
		}
	}
	for _, c := range plan.Conflicts {
		if c.Path == path {
			events = append(events, conflictEvent(c))
		}
	}
	for _, f := range s.result.Failed {
		if f.Path == path {
			events = append(events, Event{Event: Errored, Path: f.Path, Reason: f.Cause})
		}
	}
	return events
}

// Held is what the space holds at a path.
func Held(ctx context.Context, store *spacedb.Store, path string) (spacedb.State, error) {
	v, err := store.Snapshot(ctx)
	if err != nil {
		return spacedb.State{}, err
	}
	defer v.Close()
	it, err := v.Item(path)
	if errors.Is(err, spacedb.ErrNotFound) || errors.Is(err, spacedb.ErrNotDir) {
		return spacedb.State{}, nil
	}
	if err == nil {
		err = addAttributes(v, &it)
	}
	return stateWith(itemEntry(it), true), err
}

func (e *Explanation) look(ctx context.Context, s *syncer, v *spacedb.Snapshot, path string) error {
	m := s.mirror
	base, err := openBaseline(v, m.known.ID, s.attributes)
	if err != nil {
		return err
	}
	b, known, err := base.at(path)
	if err != nil {
		return err
	}
	if known {
		e.Base = stateWith(baseEntry(b), s.attributes)
	}
	it, err := v.Item(path)
	if err == nil && s.attributes {
		err = addAttributes(v, &it)
	}
	switch {
	case err == nil:
		e.Space, e.Unsealed = stateWith(itemEntry(it), s.attributes), it.Attr.IsRegular() && !it.Sealed
	case !errors.Is(err, spacedb.ErrNotFound) && !errors.Is(err, spacedb.ErrNotDir):
		return err
	}
	info, err := m.root.Lstat(path)
	if isGone(err) {
		return nil
	}
	if err == nil {
		scanner := &mirrorScanner{ctx: ctx, root: m.root, now: time.Now, out: &mirrorScan{}, attributes: s.attributes}
		var o observation
		o, err = scanner.observe(path, stampOf(info), b, known)
		e.Mirror = stateWith(o.Entry, s.attributes)
	}
	if err != nil {
		e.Error = cause(err)
	}
	return nil
}
