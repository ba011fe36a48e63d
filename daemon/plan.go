package daemon

import (
	"context"
	"encoding/json"

	"spacefs/materialize"
)

// ApplyRequest is a plan file to be applied. The file is as it was read: whoever
// applies it judges it.
type ApplyRequest struct {
	Plan          []byte `json:"plan"`
	Dir           string `json:"dir,omitempty"` // "": where the mirror was
	AcceptDeletes bool   `json:"accept_deletes"`
}

// plan is a dry run of a sync with one mirror.
func (s *service) plan(ctx context.Context, r SyncRequest, report materialize.Reporter) (materialize.PlanFile, error) {
	if r.Dir == "" {
		mirrors, err := s.store.Mirrors()
		switch {
		case err != nil:
			return materialize.PlanFile{}, err
		case len(mirrors) != 1:
			return materialize.PlanFile{}, &Error{Usage, "name the mirror: spacefs plan SPACE DIR"}
		}
		r.Dir = mirrors[0].Path
	}
	if err := s.checkPlaces(r.Dir, mirror); err != nil {
		return materialize.PlanFile{}, err
	}
	return materialize.MakePlan(ctx, s.store, r.Dir, r.rules(), r.Metadata, report)
}

func (s *service) apply(ctx context.Context, r ApplyRequest, report materialize.Reporter) (out SyncReport, err error) {
	f, err := materialize.ParsePlan(r.Plan)
	if err != nil {
		return out, err
	}
	if r.Dir != "" {
		if err := s.checkPlaces(r.Dir, mirror); err != nil {
			return out, err
		}
	}
	var result materialize.SyncResult
	s.following.alone(func() {
		result, err = materialize.Apply(ctx, s.store, f, materialize.ApplyOptions{Dir: r.Dir, AcceptDeletes: r.AcceptDeletes, Reporter: report})
	})
	return SyncReport{result.Mirror, result.Run, len(result.Failed), result.Contested()}, err
}

// Plan writes down what a sync would do, as JSON.
func (s *Space) Plan(ctx context.Context, r SyncRequest, report materialize.Reporter) (out json.RawMessage, err error) {
	err = s.call(ctx, "plan", r, &out, report, nil)
	return out, err
}

// Apply does what a plan says.
func (s *Space) Apply(ctx context.Context, r ApplyRequest, report materialize.Reporter) (out SyncReport, err error) {
	err = s.call(ctx, "apply", r, &out, report, nil)
	return out, err
}
