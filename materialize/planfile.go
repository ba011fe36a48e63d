package materialize

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"spacefs/conflict"
	"spacefs/internal/attributes"
	"spacefs/spacedb"
)

// PlanFile is a dry run written down, with everything it saw: docs/plan.md. What
// is read from a file is believed no further than ParsePlan has checked it, and
// then only where a fresh look at both sides comes to the same actions.
type PlanFile struct {
	Format    int            `json:"spacefs_plan"`
	Space     string         `json:"space"`             // UUID
	Mirror    string         `json:"mirror,omitempty"`  // UUID; "": before the first sync
	Directory string         `json:"directory"`         // where it was; nothing follows from it
	Created   time.Time      `json:"created"`           // nothing follows from it
	Rules     planRules      `json:"rules"`             //
	Actions   []planAction   `json:"actions"`           // in the order in which they work
	Conflicts []planConflict `json:"conflicts"`         // for the reader; nothing follows from it
	Left      []PathError    `json:"left,omitempty"`    // likewise
	Notices   []string       `json:"notices,omitempty"` // likewise
}

type planRules struct {
	Direction     string `json:"direction"`
	Resolve       string `json:"resolve"`
	DeleteOrphans bool   `json:"delete_orphans,omitempty"`
	Metadata      bool   `json:"metadata,omitempty"`
}

type planAction struct {
	name
	From   *name     `json:"from,omitempty"` // of a move
	Op     string    `json:"op"`
	Side   string    `json:"side"`
	Expect *planSeen `json:"expect,omitempty"` // on that side; missing: nothing
	Source *planSeen `json:"source,omitempty"` // on the other side
	Want   *planSeen `json:"want,omitempty"`
	Base   *planSeen `json:"base,omitempty"`
	Lost   bool      `json:"lost,omitempty"` // expect lost a conflict
	Reason string    `json:"reason"`
}

type planConflict struct {
	name
	Kind      string `json:"kind"`
	Attribute string `json:"attribute,omitempty"` // its name
	Strategy  string `json:"strategy"`
	Winner    string `json:"winner,omitempty"`
}

// planSeen is an entry.
type planSeen struct {
	Kind   string        `json:"kind"`
	Mode   uint32        `json:"mode,omitempty"`
	SHA256 *spacedb.Hash `json:"sha256,omitempty"`
	Target []byte        `json:"target,omitempty"` // of a symlink, in base64
	// Attributes are the extended ones, if the plan is about them.
	Attributes attributes.Set `json:"attributes,omitempty"`
}

// name is a path; in JSON also one that is not UTF-8.
type name struct {
	Path  string `json:"path,omitempty"`
	Bytes []byte `json:"path_base64,omitempty"`
}

func nameOf(p string) name {
	if utf8.ValidString(p) {
		return name{Path: p}
	}
	return name{Bytes: []byte(p)}
}

func (n name) path() string {
	if n.Bytes != nil {
		return string(n.Bytes)
	}
	return n.Path
}

const planFormat = 1

// newPlanFile writes a dry run down.
func newPlanFile(space, mirror string, r SyncResult, rules conflict.Rules, now time.Time) PlanFile {
	f := PlanFile{
		Format: planFormat, Space: space, Mirror: mirror, Directory: strings.ToValidUTF8(r.Mirror, "\uFFFD"), Created: now.UTC(),
		Rules:   planRules{rules.Direction.String(), strategyWords(rules.Strategies), rules.DeleteOrphans, r.attributes},
		Actions: []planAction{}, Conflicts: []planConflict{}, Notices: r.Notices,
	}
	for _, a := range r.Plan.Actions {
		p := planAction{
			name: nameOf(a.Path), Op: a.Op.String(), Side: a.Side.String(), Expect: seenOf(a.Expect), Source: seenOf(a.Source),
			Want: seenOf(a.Want), Base: seenOf(a.Base), Lost: a.Conflict, Reason: a.Reason,
		}
		if a.Op == conflict.Move {
			from := nameOf(a.From)
			p.From = &from
		}
		f.Actions = append(f.Actions, p)
	}
	for _, c := range r.Plan.Conflicts {
		f.Conflicts = append(f.Conflicts, planConflict{nameOf(c.Path), string(c.Kind), strings.ToValidUTF8(c.Attribute, "\uFFFD"), c.Strategy.String(), c.Winner.String()})
	}
	for _, l := range r.Plan.Left {
		f.Left = append(f.Left, PathError{l.Path, l.Reason})
	}
	return f
}

func strategyWords(chain []conflict.Strategy) string {
	words := make([]string, len(chain))
	for i, s := range chain {
		words[i] = s.String()
	}
	return strings.Join(words, ",")
}

func seenOf(e conflict.Entry) *planSeen {
	if e.Kind == conflict.Absent {
		return nil
	}
	s := &planSeen{Kind: e.Kind.String(), Mode: e.Mode, Attributes: e.Attributes}
	switch e.Kind {
	case conflict.File:
		h := spacedb.Hash(e.Hash)
		s.SHA256 = &h
	case conflict.Symlink:
		s.Target = []byte(e.Target)
	}
	return s
}

// ParsePlan reads a plan file. Whatever is in it, the paths it names stay below
// a root, and every word is one that there is.
func ParsePlan(text []byte) (f PlanFile, err error) {
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	err = in.Decode(&f)
	switch {
	case errors.Is(err, io.EOF):
		err = errors.New("it is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("it ends in the middle")
	case err == nil && f.Format != planFormat:
		err = fmt.Errorf("its format is %d, this spacefs knows %d", f.Format, planFormat)
	case err == nil:
		if _, more := in.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows its end")
		}
	}
	if err == nil {
		_, _, err = f.read()
	}
	if err != nil {
		return PlanFile{}, fmt.Errorf("this is no plan that could be applied: %w", err)
	}
	return f, nil
}

// read turns the file into the values that a sync works with, path by path.
func (f *PlanFile) read() (actions map[string][]conflict.Action, rules conflict.Rules, err error) {
	if rules.Direction, err = conflict.ParseDirection(f.Rules.Direction); err != nil {
		return nil, rules, err
	}
	rules.DeleteOrphans = f.Rules.DeleteOrphans
	if f.Rules.Resolve != "" {
		if rules.Strategies, err = conflict.ParseStrategies(f.Rules.Resolve); err != nil {
			return nil, rules, err
		}
	}
	actions = map[string][]conflict.Action{}
	for i, p := range f.Actions {
		a, err := p.read()
		if err != nil {
			return nil, rules, fmt.Errorf("action %d: %w", i+1, err)
		}
		for _, have := range actions[a.Path] {
			if have.Op == a.Op && have.Side == a.Side {
				return nil, rules, fmt.Errorf("action %d: %q has the same action twice", i+1, a.Path)
			}
		}
		actions[a.Path] = append(actions[a.Path], a)
	}
	return actions, rules, nil
}

func (p planAction) read() (a conflict.Action, err error) {
	a = conflict.Action{Path: p.path(), Conflict: p.Lost, Reason: p.Reason}
	if err := checkPath(a.Path); err != nil {
		return a, err
	}
	if a.Op, err = conflict.ParseOp(p.Op); err != nil {
		return a, err
	}
	if (a.Op == conflict.Move) != (p.From != nil) {
		return a, fmt.Errorf("what is moved comes from somewhere, and nothing else does")
	}
	if p.From != nil {
		if a.From = p.From.path(); checkPath(a.From) != nil {
			return a, checkPath(a.From)
		}
	}
	switch {
	case p.Side == conflict.Mirror.String():
		a.Side = conflict.Mirror
	case p.Side != conflict.Space.String():
		return a, fmt.Errorf("no side is called %q", p.Side)
	}
	for _, e := range []struct {
		to   *conflict.Entry
		from *planSeen
	}{{&a.Expect, p.Expect}, {&a.Source, p.Source}, {&a.Want, p.Want}, {&a.Base, p.Base}} {
		if *e.to, err = e.from.read(); err != nil {
			return a, err
		}
	}
	return a, nil
}

func (s *planSeen) read() (e conflict.Entry, err error) {
	if s == nil {
		return e, nil
	}
	if s.Mode&^permMask != 0 {
		return e, fmt.Errorf("mode %#o is more than permissions", s.Mode)
	}
	e.Mode, e.Attributes = s.Mode, s.Attributes
	switch s.Kind {
	case conflict.File.String():
		if s.SHA256 == nil {
			return e, errors.New("a file has no hash")
		}
		e.Kind, e.Hash = conflict.File, conflict.Hash(*s.SHA256)
	case conflict.Directory.String():
		e.Kind = conflict.Directory
	case conflict.Symlink.String():
		e.Kind, e.Target = conflict.Symlink, string(s.Target)
	default:
		return e, fmt.Errorf("no kind is called %q", s.Kind)
	}
	return e, nil
}

// checkPath refuses what is no path of a tree: it would lead elsewhere, or
// nowhere.
func checkPath(p string) error {
	first, _, _ := strings.Cut(p, "/")
	if p == "" || p != path.Clean(p) || path.IsAbs(p) || first == ".." || first == "." || strings.ContainsRune(p, 0) {
		return fmt.Errorf("%q is no path below a root", p)
	}
	if first == stateDir {
		return fmt.Errorf("%q is spacefs' own", p)
	}
	return nil
}
