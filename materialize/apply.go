package materialize

import (
	"context"
	"errors"
	"sort"
	"time"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// MakePlan is a dry run written down; of metadata as in SyncOptions.
func MakePlan(ctx context.Context, store *spacedb.Store, dir string, rules conflict.Rules, metadata *bool, report Reporter) (PlanFile, error) {
	r, err := Sync(ctx, store, dir, SyncOptions{Rules: rules, Metadata: metadata, DryRun: true, Reporter: report})
	if err != nil {
		return PlanFile{}, err
	}
	return newPlanFile(store.ID(), r.mirrorUUID, r, rules, time.Now()), nil
}

// ApplyOptions of Apply.
type ApplyOptions struct {
	Dir           string // the mirror; "": where the space last saw the plan's
	AcceptDeletes bool
	Reporter      Reporter
	wrap          func(disk) disk
}

// Apply does what a plan says and nothing else. It looks at both sides anew, as
// a sync with the plan's rules: a path is done where that comes to the very
// actions of the plan, on what the plan saw; any other path of the plan has
// changed since, is left as it is, and is among the failed. So a plan that was
// tampered with can leave something out, and cannot do what a sync would not.
func Apply(ctx context.Context, store *spacedb.Store, f PlanFile, o ApplyOptions) (SyncResult, error) {
	actions, rules, err := f.read()
	if err != nil {
		return SyncResult{}, err
	}
	dir, err := f.mirrorIn(store, o.Dir)
	if err != nil {
		return SyncResult{}, err
	}
	var metadata *bool
	if f.Rules.Metadata {
		metadata = &f.Rules.Metadata
	}
	return Sync(ctx, store, dir, SyncOptions{
		Rules: rules, Metadata: metadata, AcceptDeletes: o.AcceptDeletes, Reporter: o.Reporter, wrap: o.wrap,
		only: &planned{mirror: f.Mirror, actions: actions},
	})
}

// mirrorIn finds the plan's mirror. Where it is, the space says, or the user;
// never the file.
func (f *PlanFile) mirrorIn(store *spacedb.Store, dir string) (string, error) {
	if f.Space != store.ID() {
		return "", stopped("the plan is for another space (%s)", f.Space)
	}
	if dir != "" {
		return dir, nil
	}
	if f.Mirror == "" {
		return "", stopped("the plan is for a directory that was no mirror yet; name it: spacefs apply SPACE FILE DIR")
	}
	mirrors, err := store.Mirrors()
	if err != nil {
		return "", err
	}
	for _, m := range mirrors {
		if m.UUID == f.Mirror {
			return m.Path, nil
		}
	}
	return "", stopped("the space has no mirror %s, which the plan is for", f.Mirror)
}

// selection is the part of a plan that a run is about.
type selection interface {
	kind() string // of run
	check(m *mirrorDir) error
	// keep also names what is not done, and what should be and cannot.
	keep(plan conflict.Plan) (out conflict.Plan, rest []string, refused []PathError)
}

// planned is what a sync may do that applies a plan.
type planned struct {
	mirror  string // UUID; "": none yet
	actions map[string][]conflict.Action
}

func (p *planned) kind() string { return "apply" }

// check says whether a mirror is the plan's.
func (p *planned) check(m *mirrorDir) error {
	switch {
	case p.mirror == m.known.UUID:
		return nil
	case p.mirror == "":
		return stopped("%s has been synced since the plan was made; make a new plan", m.path)
	}
	return stopped("%s is not the mirror that the plan is for", m.path)
}

var errNotAsPlanned = errors.New("it changed since the plan was made; it is left as it is")

// keep takes out of a plan what was not planned, and names that and what was
// planned and would not be done any more.
func (p *planned) keep(plan conflict.Plan) (out conflict.Plan, rest []string, changed []PathError) {
	now := map[string][]conflict.Action{}
	for _, a := range plan.Actions {
		now[a.Path] = append(now[a.Path], a)
	}
	kept := map[string]bool{}
	for path, actions := range p.actions {
		if kept[path] = sameActions(actions, now[path]); !kept[path] {
			changed = append(changed, PathError{path, errNotAsPlanned.Error()})
		}
	}
	sort.Slice(changed, func(i, j int) bool { return changed[i].Path < changed[j].Path })
	for _, a := range plan.Actions {
		if kept[a.Path] {
			out.Actions = append(out.Actions, a)
		} else {
			rest = append(rest, a.Path)
		}
	}
	for _, l := range plan.Left {
		rest = append(rest, l.Path)
	}
	for _, c := range plan.Conflicts {
		if kept[c.Path] || c.Winner == conflict.NoWinner {
			out.Conflicts = append(out.Conflicts, c)
		}
	}
	return out, rest, changed
}

func sameActions(a, b []conflict.Action) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		found := false
		for _, y := range b {
			found = found || x.Op == y.Op && x.From == y.From && x.Side == y.Side && x.Expect.Same(y.Expect) && x.Source.Same(y.Source) &&
				x.Want.Same(y.Want) && x.Base.Same(y.Base)
		}
		if !found {
			return false
		}
	}
	return true
}
