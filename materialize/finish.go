package materialize

import (
	"encoding/hex"
	"fmt"

	"spacefs/conflict"
	"spacefs/internal/attributes"
	"spacefs/spacedb"
)

func (s *syncer) begin() error {
	if s.run.ID != 0 {
		return nil
	}
	run, err := s.store.BeginRun(s.kind(), s.mirror.known.ID)
	s.run, s.result.Run = run, run.ID
	s.record = recorder{store: s.store, run: run.ID, attributes: s.attributes}
	return err
}

// refresh remembers how files look that only were touched, so that they need
// not be read next time.
func (s *syncer) refresh(v *view) error {
	if len(v.mirror.touched) == 0 {
		return nil
	}
	planned := map[string]bool{}
	for i := range v.plan.Actions {
		planned[v.plan.Actions[i].Path] = true
	}
	var set []spacedb.BaseEntry
	for p, o := range v.mirror.touched {
		if planned[p] {
			continue
		}
		b := v.base[p]
		b.MirrorMode, b.MirrorSize, b.MirrorMtime, b.MirrorCtime, b.MirrorInode = o.stat.mode, o.stat.size, o.stat.mtime, o.stat.ctime, o.stat.inode
		set = append(set, b)
	}
	return s.store.AdvanceBase(s.mirror.known.ID, set, nil)
}

func (s *syncer) noteConflicts(plan conflict.Plan, failed func(path string) bool) error {
	s.result.Unresolved = nil
	var found []spacedb.ConflictRecord
	for _, c := range plan.Conflicts {
		winner := c.Winner.String()
		if c.Winner == conflict.NoWinner {
			s.result.Unresolved = append(s.result.Unresolved, c)
		} else if failed(c.Path) {
			continue
		} else {
			s.ended = append(s.ended, c)
		}
		found = append(found, spacedb.ConflictRecord{
			Path: c.Path, Kind: string(c.Kind), Attribute: c.Attribute, Base: held(c, c.Base), Space: held(c, c.Space), Dir: held(c, c.Mirror),
			Strategy: c.Strategy.String(), Winner: winner,
		})
	}
	var about func(string) bool
	if r, ok := s.options.only.(resolving); ok {
		about = r.about
	}
	return s.store.SetConflictsAbout(s.mirror.known.ID, s.run.ID, found, about)
}

// Describe is an entry in one word: a hash, or what else it is.
func Describe(e conflict.Entry) string {
	switch e.Kind {
	case conflict.File:
		return hex.EncodeToString(e.Hash[:])
	case conflict.Symlink:
		return "symlink " + e.Target
	case conflict.Directory:
		return "directory"
	}
	return ""
}

// held is Describe for what is in conflict: also a value, of an attribute.
func held(c conflict.Conflict, e conflict.Entry) string {
	if c.Attribute == "" || e.Kind == conflict.Absent {
		return Describe(e)
	}
	return attributes.Word(e.Target)
}

// finish closes the run's record and makes everything durable.
func (s *syncer) finish(err error) error {
	if s.options.DryRun {
		return nil
	}
	if s.run.ID != 0 {
		detail := fmt.Sprintf("%d done, %d failed, %d unresolved", s.result.Done, len(s.result.Failed), len(s.result.Unresolved))
		if err != nil {
			detail = err.Error()
		}
		outcome := outcomeOf(err, len(s.result.Failed), len(s.result.Unresolved))
		if err := s.store.FinishRun(s.run.ID, outcome, detail, s.record.waiting); err != nil {
			return err
		}
	}
	return s.store.Sync()
}
