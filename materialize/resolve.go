package materialize

import (
	"context"
	"fmt"
	"strings"
	"time"

	"spacefs/conflict"
	"spacefs/conflict/merge"
	"spacefs/spacedb"
)

// ResolveOptions of Resolve.
type ResolveOptions struct {
	Path     string
	Take     conflict.Strategy
	Given    *Resolution // with Merge: what a person made of it
	Reporter Reporter
}

// Resolve ends the conflict at one path and does nothing else. The result's
// Unresolved holds the conflict if the strategy could not end it.
func Resolve(ctx context.Context, store *spacedb.Store, dir string, o ResolveOptions) (SyncResult, error) {
	return Sync(ctx, store, dir, SyncOptions{
		Rules: conflict.Rules{Strategies: []conflict.Strategy{o.Take}}, AcceptDeletes: true, Reporter: o.Reporter,
		given: o.Given, only: resolving{o.Path},
	})
}

// resolving is the part of a plan that is about one path's conflict.
type resolving struct{ path string }

func (resolving) kind() string { return "resolve" }

func (resolving) check(*mirrorDir) error { return nil }

func (r resolving) about(path string) bool {
	return path == r.path || strings.HasPrefix(path, r.path+"/")
}

// keep takes out what is about other paths; a copy of the loser, and the
// directories that the path needs, are about it.
func (r resolving) keep(plan conflict.Plan) (out conflict.Plan, rest []string, refused []PathError) {
	beside := map[string]bool{}
	for _, c := range plan.Conflicts {
		if r.about(c.Path) {
			out.Conflicts = append(out.Conflicts, c)
			beside[c.Copy] = true
		} else {
			rest = append(rest, c.Path)
		}
	}
	if len(out.Conflicts) == 0 {
		return out, rest, []PathError{{r.path, "there is no conflict any more: only one side differs from what was agreed on, or none"}}
	}
	for _, a := range plan.Actions {
		if needed := strings.HasPrefix(r.path, a.Path+"/") && (a.Op == conflict.Mkdir || a.Op == conflict.Move); r.about(a.Path) || beside[a.Path] || needed {
			out.Actions = append(out.Actions, a)
		} else {
			rest = append(rest, a.Path)
		}
	}
	for _, l := range plan.Left {
		if r.about(l.Path) {
			out.Left = append(out.Left, l)
		} else {
			rest = append(rest, l.Path)
		}
	}
	return out, rest, nil
}

// Sides is a conflict of two texts, for who merges them.
type Sides struct {
	Directory           string // the mirror
	Base, Space, Mirror []byte
	HasBase             bool
	Merged              []byte // what goes together, and the rest between markers
	Conflicts           int    // of those
	Resolution                 // Text is empty; it names what was merged
}

// ReadSides reads the two texts that are in conflict at a path.
func ReadSides(ctx context.Context, store *spacedb.Store, dir, path string) (Sides, error) {
	s := &syncer{store: store, result: &SyncResult{Mirror: dir}, options: SyncOptions{
		Rules: conflict.Rules{Strategies: []conflict.Strategy{conflict.Manual}}, DryRun: true, AcceptDeletes: true, Reporter: silent{}, Now: time.Now,
	}}
	var err error
	if s.mirror, err = openMirror(store, dir); err != nil {
		return Sides{}, err
	}
	defer s.mirror.root.Close()
	if err := s.decideMetadata(); err != nil {
		return Sides{}, err
	}
	v, err := s.look(ctx)
	if err != nil {
		return Sides{}, err
	}
	defer v.snapshot.Close()
	for _, c := range v.plan.Conflicts {
		if c.Path == path && c.Attribute == "" {
			return v.merger.sides(dir, c)
		}
	}
	for _, c := range v.plan.Conflicts {
		if c.Path == path {
			return Sides{}, fmt.Errorf("%s: the values of attribute %s cannot be merged; say which side stands with --take", path, c.Attribute)
		}
	}
	return Sides{}, fmt.Errorf("%s: there is no conflict any more", path)
}

func (m *merger) sides(dir string, c conflict.Conflict) (Sides, error) {
	if c.Space.Kind != conflict.File || c.Mirror.Kind != conflict.File {
		return Sides{}, fmt.Errorf("%s: not both sides hold a file; say which side stands with --take", c.Path)
	}
	texts, err := m.three(c.Path, c.Base, c.Space, c.Mirror)
	if err != nil {
		return Sides{}, fmt.Errorf("%s: %w; say which side stands with --take", c.Path, err)
	}
	merged, err := merge.Texts(texts[0], texts[1], texts[2], merge.Labels{Space: "space", Mirror: "directory"})
	if err != nil {
		return Sides{}, fmt.Errorf("%s: %w", c.Path, err)
	}
	return Sides{
		Directory: dir, Base: texts[0], Space: texts[1], Mirror: texts[2], HasBase: c.Base.Kind == conflict.File,
		Merged: merged.Text, Conflicts: merged.Conflicts,
		Resolution: Resolution{Path: c.Path, SpaceHeld: Describe(c.Space), MirrorHeld: Describe(c.Mirror)},
	}, nil
}
