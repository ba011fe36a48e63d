package daemon

import (
	"context"
	"fmt"
	"slices"
)

// JunkRequest is a change of a space's junk list; an empty one changes nothing.
type JunkRequest struct {
	Add    []string `json:"add"`
	Remove []string `json:"remove"`
	Reset  bool     `json:"reset"` // to the built-in list, first
}

// Junk changes the junk list of the space and returns it.
func (s *Space) Junk(ctx context.Context, r JunkRequest) (patterns []string, err error) {
	err = s.call(ctx, "junk", r, &patterns, nil, nil)
	return patterns, err
}

func (s *service) junk(r JunkRequest) (any, error) {
	if r.Reset {
		if err := s.store.SetJunk(nil); err != nil {
			return nil, err
		}
	}
	if len(r.Add)+len(r.Remove) > 0 {
		patterns := s.store.JunkPatterns()
		for _, p := range r.Remove {
			i := slices.Index(patterns, p)
			if i < 0 {
				return nil, &Error{Failed, fmt.Sprintf("%q is not on the junk list", p)}
			}
			patterns = slices.Delete(patterns, i, i+1)
		}
		for _, p := range r.Add {
			if !slices.Contains(patterns, p) {
				patterns = append(patterns, p)
			}
		}
		if err := s.store.SetJunk(patterns); err != nil {
			return nil, err
		}
	}
	return s.store.JunkPatterns(), nil
}
