package materialize

import (
	"context"
	"errors"
	"time"

	"spacefs/conflict"
)

// Event is one thing that a run tells. docs/events.md says which fields go with
// which event; with --json it is printed as it is here.
type Event struct {
	Event EventName `json:"event"`
	Time  time.Time `json:"time,omitzero"` // set by who prints it

	// Of started and completed: whose event it is.
	Kind      string `json:"kind,omitempty"` // "sync", "import", …
	Run       int64  `json:"run,omitempty"`
	Directory string `json:"directory,omitempty"`
	DryRun    bool   `json:"dry_run,omitempty"`

	// Of started and progress.
	Phase string `json:"phase,omitempty"`
	Done  int    `json:"done,omitempty"`
	Total int    `json:"total,omitempty"` // 0: not known

	// Of what concerns one path. Reason is a rule or a cause.
	Path   string `json:"path,omitempty"`
	From   string `json:"from,omitempty"` // of a move
	Op     string `json:"op,omitempty"`
	Side   string `json:"side,omitempty"`
	Reason string `json:"reason,omitempty"`

	// Of a conflict; of started, Space is the space's file.
	Conflict  string `json:"conflict,omitempty"`
	Attribute string `json:"attribute,omitempty"` // its name, of a conflict about one
	Base      string `json:"base,omitempty"`
	Space     string `json:"space,omitempty"`
	Mirror    string `json:"mirror,omitempty"`
	Strategy  string `json:"strategy,omitempty"`
	Winner    string `json:"winner,omitempty"`
	Copy      string `json:"copy,omitempty"` // where keep_both keeps the loser

	// Of completed.
	Outcome string           `json:"outcome,omitempty"`
	Counts  map[string]int64 `json:"counts,omitempty"`
	Millis  int64            `json:"duration_ms,omitempty"`
}

// EventName says what an event is.
type EventName string

const (
	Started   EventName = "started"   // it is known what there is to do
	Progress  EventName = "progress"  // a phase begins, or goes on
	Acted     EventName = "action"    // done at one path; of a dry run: would be done
	Contested EventName = "conflict"  // and how it ended
	Errored   EventName = "error"     // at one path; without one, of the run
	Noticed   EventName = "notice"    // something a person should know
	Completed EventName = "completed" // always the last
)

// How a run ended; the runs of a space remember it in these words.
const (
	OutcomeOK          = "ok"
	OutcomePartial     = "partial"     // some paths failed
	OutcomeConflicts   = "conflicts"   // nothing failed, conflicts are left
	OutcomeStopped     = "stopped"     // by a guard, before anything was done
	OutcomeInterrupted = "interrupted" // by the user
	OutcomeFailed      = "failed"
)

// Reporter is told how work goes on. Calls come from one goroutine at a time.
type Reporter interface {
	// Tell hands on what happened.
	Tell(Event)
	// Step is one more thing done in the phase that was told last; there may be
	// very many.
	Step()
}

type silent struct{}

func (silent) Tell(Event) {}
func (silent) Step()      {}

// outcomeOf is the word for an end.
func outcomeOf(err error, failed, conflicts int) string {
	var guard *GuardError
	switch {
	case errors.As(err, &guard):
		return OutcomeStopped
	case errors.Is(err, context.Canceled):
		return OutcomeInterrupted
	case err != nil:
		return OutcomeFailed
	case failed > 0:
		return OutcomePartial
	case conflicts > 0:
		return OutcomeConflicts
	}
	return OutcomeOK
}

// conclude tells what went wrong, if anything did, and the end.
func conclude(r Reporter, end Event, err error, failed []PathError, notices []string) {
	for _, n := range notices {
		r.Tell(Event{Event: Noticed, Reason: n})
	}
	for _, f := range failed {
		r.Tell(Event{Event: Errored, Path: f.Path, Reason: f.Cause})
	}
	if err != nil {
		r.Tell(Event{Event: Errored, Reason: err.Error()})
	}
	end.Event = Completed
	r.Tell(end)
}

func actionEvent(a conflict.Action) Event {
	return Event{Event: Acted, Path: a.Path, From: a.From, Op: a.Op.String(), Side: a.Side.String(), Reason: a.Reason}
}

func conflictEvent(c conflict.Conflict) Event {
	return Event{
		Event: Contested, Path: c.Path, Conflict: string(c.Kind), Attribute: c.Attribute, Base: held(c, c.Base), Space: held(c, c.Space), Mirror: held(c, c.Mirror),
		Strategy: c.Strategy.String(), Winner: c.Winner.String(), Copy: c.Copy,
	}
}
