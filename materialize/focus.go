package materialize

import (
	"slices"

	"spacefs/conflict"
)

// focus is where a sync looks, for who has followed both sides since the last
// one. The zero focus is on nothing; without any, a sync looks at everything.
type focus struct {
	since  uint64            // what the journal has up to here has been seen
	paths  []string          // to look at again on both sides, with what is below
	mirror map[string]bool   // to look at in the mirror; true: with what is below
	known  map[string]string // unresolved conflicts that were told, by subject
}

// and is the focus on more paths.
func (f focus) and(paths []string) *focus {
	f.paths = append(slices.Clip(f.paths), paths...)
	return &f
}

// leftover is what a sync did not bring to an end, for the next one's focus.
type leftover struct {
	seq       uint64
	again     []string          // failed, moved meanwhile, or somebody was just writing it
	left      []string          // differs and stays as it is
	conflicts map[string]string // unresolved, by subject
}

// leftover collects what is left after a round.
func (s *syncer) leftover(v *view, failed []PathError) leftover {
	l := leftover{seq: v.snapshot.Seq(), conflicts: map[string]string{}}
	l.again = append(l.again, v.withheld...)
	for _, f := range failed {
		if slices.Contains(v.refusedAttributes, f) { // to try again is of no use
			l.left = append(l.left, f.Path)
		} else {
			l.again = append(l.again, f.Path)
		}
	}
	for _, left := range v.plan.Left {
		l.left = append(l.left, left.Path)
	}
	for _, c := range s.result.Unresolved {
		l.left = append(l.left, c.Path)
		l.conflicts[subject(c)] = inWords(c)
	}
	l.again, l.left = distinct(l.again), distinct(l.left)
	return l
}

// subject is what a conflict is about: a path, or an attribute there.
func subject(c conflict.Conflict) string { return c.Path + "\x00" + c.Attribute }

// inWords tells a conflict from another about the same.
func inWords(c conflict.Conflict) string {
	return string(c.Kind) + "\x00" + held(c, c.Base) + "\x00" + held(c, c.Space) + "\x00" + held(c, c.Mirror)
}

func distinct(paths []string) []string {
	slices.Sort(paths)
	return slices.Compact(paths)
}

// newsIn says whether a plan has anything that was not known before. A conflict
// that nobody has resolved yet is no news.
func (s *syncer) newsIn(plan conflict.Plan) bool {
	if len(plan.Actions) > 0 {
		return true
	}
	for _, c := range plan.Conflicts {
		if s.options.focus == nil || s.options.focus.known[subject(c)] != inWords(c) {
			return true
		}
	}
	return false
}

// focused looks at some paths of the mirror: those that are hinted at, and those
// that the space changed, for what is there now decides what becomes of them.
func (s *mirrorScanner) focused(f *focus, space *spaceScan) error {
	look := map[string]bool{}
	for p, deep := range f.mirror {
		look[p] = deep
	}
	for p := range space.changed {
		b, known, err := s.base.at(p)
		if err != nil {
			return err
		}
		// Where a directory was and is not, everything below it matters.
		retyped := known && baseEntry(b).Kind == conflict.Directory && !space.changed[p].Attr.IsDir()
		look[p] = look[p] || retyped
	}
	for _, p := range f.paths {
		look[p] = true
	}
	paths := make([]string, 0, len(look))
	for p := range look {
		paths = append(paths, p)
	}
	slices.Sort(paths) // what is above first
	var done pathSet
	for _, p := range paths {
		if done.cover(p) {
			continue
		}
		if ignored, err := s.alone.covers(p, true); err != nil {
			s.fail(p, err)
			continue
		} else if ignored && !s.base.has(p) {
			continue
		}
		deep, err := s.lookAt(p, look[p])
		if err != nil {
			return err
		}
		if deep {
			done.put(p)
		}
	}
	return nil
}

// decides says whether something in the focus decides what is left alone.
func (f *focus) decides() bool {
	for p := range f.mirror {
		if isIgnoreFile(p) {
			return true
		}
	}
	return slices.ContainsFunc(f.paths, isIgnoreFile)
}

// lookAt compares one path with the base; deep tells whether that included what
// is below it.
func (s *mirrorScanner) lookAt(p string, deep bool) (bool, error) {
	if !deep {
		b, known, err := s.base.at(p)
		if err != nil {
			return false, err
		}
		info, err := s.root.Lstat(p)
		isDir := err == nil && info.IsDir()
		wasDir := known && baseEntry(b).Kind == conflict.Directory
		if isDir && wasDir {
			st := stampOf(info)
			if st.mode != b.MirrorMode || s.attributes && st.ctime != b.MirrorCtime {
				err = s.differs(p, st, true)
			}
			return false, err
		}
	}
	return true, s.tree(p)
}
