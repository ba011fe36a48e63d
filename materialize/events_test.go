package materialize

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"spacefs/conflict"
)

// teller remembers what it was told.
type teller struct {
	events []Event
	steps  int
}

func (r *teller) Tell(e Event) { r.events = append(r.events, e) }
func (r *teller) Step()        { r.steps++ }

// full is a disk without room.
type full struct{ disk }

func (full) create(string, io.Reader, conflict.Entry, int64) (stamp, []refused, error) {
	return stamp{}, nil, syscall.ENOSPC
}

// names are the events in order, without progress, which is as it comes.
func (r *teller) names() (names []EventName) {
	for _, e := range r.events {
		if e.Event != Progress {
			names = append(names, e.Event)
		}
	}
	return names
}

func (r *teller) last() Event { return r.events[len(r.events)-1] }

func TestEventsTellARunFromItsStartToItsEnd(t *testing.T) {
	p := newPair(t)
	p.inSpace("a", "base")
	p.sync(SyncOptions{})
	p.inSpace("a", "S")
	p.inMirror("a", "M")
	p.inMirror("b", "new")
	p.inSpace("c", "new too")
	var told teller
	p.sync(SyncOptions{Reporter: &told, Rules: conflict.Rules{Strategies: []conflict.Strategy{conflict.Manual}}})
	want := []EventName{Started, Acted, Acted, Acted, Contested, Completed} // the third leaves a alone
	if !slices.Equal(told.names(), want) {
		t.Fatalf("events %v, want %v: %+v", told.names(), want, told.events)
	}
	end := told.last()
	if end.Outcome != OutcomeConflicts || end.Counts["to_space"] != 1 || end.Counts["to_mirror"] != 1 || end.Counts["unresolved"] != 1 || end.Run == 0 {
		t.Errorf("the end is %+v", end)
	}
	text, err := json.Marshal(end)
	p.ok(err)
	if !strings.HasPrefix(string(text), `{"event":"completed","kind":"sync","run":2,"directory":`) {
		t.Errorf("as JSON: %s", text)
	}
}

func TestARunThatIsStoppedTellsItsEndToo(t *testing.T) {
	p := newPair(t)
	p.dir = filepath.Join(p.dir, "missing")
	var told teller
	_, err := Sync(t.Context(), p.store, p.dir, SyncOptions{Reporter: &told})
	var guard *GuardError
	if !errors.As(err, &guard) {
		t.Fatal(err)
	}
	if want := []EventName{Errored, Completed}; !slices.Equal(told.names(), want) || told.last().Outcome != OutcomeStopped {
		t.Errorf("events %+v", told.events)
	}
}

func TestFailedPathsAreTold(t *testing.T) {
	p := newPair(t)
	p.inSpace("a", "no room for it")
	var told teller
	_, err := Sync(t.Context(), p.store, p.dir, SyncOptions{Reporter: &told, wrap: func(d disk) disk { return full{d} }})
	p.ok(err)
	if want := []EventName{Started, Errored, Completed}; !slices.Equal(told.names(), want) || told.last().Outcome != OutcomePartial {
		t.Errorf("events %+v", told.events)
	}
}
