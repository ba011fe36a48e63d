package daemon

import (
	"context"
	"fmt"
	"strings"

	"spacefs/conflict"
	"spacefs/materialize"
)

// ResolveRequest ends the unresolved conflict at one path.
type ResolveRequest struct {
	Path []byte            `json:"path"`
	Dir  string            `json:"dir,omitempty"` // the mirror; "": the one that has a conflict there
	Take conflict.Strategy `json:"take"`
	// With Merge: what a person made of both sides, and of what; nil: what merges by
	// itself.
	Given *materialize.Resolution `json:"given,omitempty"`
}

// Sides reads both sides of a conflict of texts.
func (s *Space) Sides(ctx context.Context, r ResolveRequest) (out materialize.Sides, err error) {
	err = s.call(ctx, "sides", r, &out, nil, nil)
	return out, err
}

// Resolve ends a conflict.
func (s *Space) Resolve(ctx context.Context, r ResolveRequest, report materialize.Reporter) (out SyncReport, err error) {
	err = s.call(ctx, "resolve", r, &out, report, nil)
	return out, err
}

func (s *service) sides(ctx context.Context, r ResolveRequest) (materialize.Sides, error) {
	dir, err := s.contestedIn(r)
	if err != nil {
		return materialize.Sides{}, err
	}
	return materialize.ReadSides(ctx, s.store, dir, string(r.Path))
}

func (s *service) resolve(ctx context.Context, r ResolveRequest, report materialize.Reporter) (SyncReport, error) {
	dir, err := s.contestedIn(r)
	if err != nil {
		return SyncReport{}, err
	}
	if err := s.checkPlaces(dir, mirror); err != nil {
		return SyncReport{}, err
	}
	if r.Given != nil {
		r.Given.Path = string(r.Path) // JSON spoils one that is not UTF-8
	}
	result, err := materialize.Resolve(ctx, s.store, dir, materialize.ResolveOptions{Path: string(r.Path), Take: r.Take, Given: r.Given, Reporter: report})
	return SyncReport{dir, result.Run, len(result.Failed), result.Contested()}, err
}

// contestedIn finds the mirror that the conflict is with.
func (s *service) contestedIn(r ResolveRequest) (string, error) {
	open, err := s.store.Conflicts(true)
	if err != nil {
		return "", err
	}
	places, err := s.directories()
	if err != nil {
		return "", err
	}
	var dirs []string
	for _, c := range open {
		if dir := places[c.Mirror]; c.Path == string(r.Path) && (r.Dir == "" || real(r.Dir) == dir) {
			dirs = append(dirs, dir)
		}
	}
	switch len(dirs) {
	case 0:
		return "", &Error{Failed, fmt.Sprintf("%s: there is no unresolved conflict; spacefs conflicts lists them", r.Path)}
	case 1:
		return dirs[0], nil
	}
	return "", &Error{Usage, fmt.Sprintf("%s: there are conflicts with %s; say which with --mirror DIR", r.Path, strings.Join(dirs, " and with "))}
}
