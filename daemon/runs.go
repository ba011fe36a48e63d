package daemon

import (
	"context"
	"fmt"

	"spacefs/conflict"
	"spacefs/materialize"
	"spacefs/spacedb"
)

// RunLine is a run with the mirror it was about.
type RunLine struct {
	spacedb.Run
	Directory string `json:"directory,omitempty"`
}

// RunDetail is a run with everything it did.
type RunDetail struct {
	RunLine
	Actions []spacedb.ActionRecord `json:"actions"`
}

// UndoRequest is an undo as a command asks for it.
type UndoRequest struct {
	Run int64  `json:"run"`
	Dir string `json:"dir,omitempty"` // where the mirror is now; "": where it was
}

// ExplainRequest asks about one path; the rules are those a sync would have.
type ExplainRequest struct {
	Path  []byte         `json:"path"`
	Dir   string         `json:"dir,omitempty"` // "": every mirror
	Rules conflict.Rules `json:"rules"`
	// Metadata as in SyncRequest.
	Metadata *bool `json:"metadata,omitempty"`
}

// Explained is everything the space knows about how a path came to be what it
// is, and what is next.
type Explained struct {
	Path    string                    `json:"path"`
	Space   spacedb.State             `json:"space,omitzero"`
	Mirrors []materialize.Explanation `json:"mirrors"`
	// Last is the last run that did something here; nil when none did.
	Last     *RunLine               `json:"last_run,omitempty"`
	Actions  []spacedb.ActionRecord `json:"actions,omitempty"`  // its, at this path
	Conflict *ConflictFound         `json:"conflict,omitempty"` // the last one here
}

// ConflictFound is a conflict and where its loser is.
type ConflictFound struct {
	spacedb.ConflictRecord
	Loser *spacedb.Revision `json:"loser,omitempty"` // nil: nobody lost, or it was no content
}

const runsListed = 1000

func (s *service) runs() ([]RunLine, error) {
	runs, err := s.store.Runs(runsListed)
	if err != nil {
		return nil, err
	}
	dirs, err := s.directories()
	list := make([]RunLine, len(runs))
	for i, r := range runs {
		list[i] = RunLine{r, dirs[r.Mirror]}
	}
	return list, err
}

// directories are the mirrors' by id.
func (s *service) directories() (map[int64]string, error) {
	mirrors, err := s.store.Mirrors()
	dirs := make(map[int64]string, len(mirrors))
	for _, m := range mirrors {
		dirs[m.ID] = m.Path
	}
	return dirs, err
}

func (s *service) run(id int64) (d RunDetail, err error) {
	run, actions, err := s.store.RunActions(id)
	if err != nil {
		return d, fmt.Errorf("run %d: %w", id, err)
	}
	dirs, err := s.directories()
	return RunDetail{RunLine{run, dirs[run.Mirror]}, actions}, err
}

func (s *service) undo(ctx context.Context, r UndoRequest, report materialize.Reporter) (result materialize.UndoResult, err error) {
	if r.Dir != "" {
		if err := s.checkPlaces(r.Dir, mirror); err != nil {
			return materialize.UndoResult{}, err
		}
	}
	s.following.alone(func() {
		result, err = materialize.Undo(ctx, s.store, r.Run, materialize.UndoOptions{Dir: r.Dir, Reporter: report})
	})
	return result, err
}

func (s *service) explain(ctx context.Context, r ExplainRequest) (e Explained, err error) {
	e = Explained{Path: string(r.Path), Mirrors: []materialize.Explanation{}}
	if e.Space, err = materialize.Held(ctx, s.store, e.Path); err != nil {
		return e, err
	}
	mirrors, err := s.store.Mirrors()
	if err != nil {
		return e, err
	}
	dirs := map[int64]string{}
	for _, m := range mirrors {
		dirs[m.ID] = m.Path
		if r.Dir != "" && m.Path != real(r.Dir) {
			continue
		}
		x, err := materialize.Explain(ctx, s.store, m.Path, e.Path, r.Rules, r.Metadata)
		if err != nil {
			return e, err
		}
		e.Mirrors = append(e.Mirrors, x)
	}
	run, actions, err := s.store.LastActions(e.Path)
	if err != nil {
		return e, err
	}
	if run.ID != 0 {
		e.Last, e.Actions = &RunLine{run, dirs[run.Mirror]}, actions
	}
	e.Conflict, err = s.lastConflict(e.Path)
	return e, err
}

func (s *service) lastConflict(path string) (found *ConflictFound, err error) {
	all, err := s.store.Conflicts(false)
	for _, c := range all {
		if c.Path == path {
			found = &ConflictFound{ConflictRecord: c}
		}
	}
	if err != nil || found == nil {
		return nil, err
	}
	if found.Attribute != "" {
		return found, nil // its values are in the run's actions
	}
	lost := map[string]string{"space": found.Dir, "directory": found.Space}[found.Winner]
	var sum spacedb.Hash
	if sum.UnmarshalText([]byte(lost)) != nil {
		return found, nil
	}
	loser, ok, err := s.store.FindContent(sum, path)
	if ok {
		found.Loser = &loser
	}
	return found, err
}

// Runs lists the last runs, newest first.
func (s *Space) Runs(ctx context.Context) (out []RunLine, err error) {
	err = s.call(ctx, "runs", nil, &out, nil, nil)
	return out, err
}

// Run is one run with what it did.
func (s *Space) Run(ctx context.Context, id int64) (out RunDetail, err error) {
	err = s.call(ctx, "run", id, &out, nil, nil)
	return out, err
}

// Undo takes a run back on both sides.
func (s *Space) Undo(ctx context.Context, r UndoRequest, report materialize.Reporter) (out materialize.UndoResult, err error) {
	err = s.call(ctx, "undo", r, &out, report, nil)
	return out, err
}

// Explain tells what is known about a path.
func (s *Space) Explain(ctx context.Context, r ExplainRequest) (out Explained, err error) {
	err = s.call(ctx, "explain", r, &out, nil, nil)
	return out, err
}
