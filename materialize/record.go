package materialize

import (
	"spacefs/conflict"
	"spacefs/spacedb"
)

// recorder writes down what a run does, as it does it: a killed run can be
// explained and taken back as well.
type recorder struct {
	store *spacedb.Store
	run   int64
	// attributes: extended ones were looked at.
	attributes bool
	waiting    []spacedb.ActionRecord
}

// add notes an action; failure is "" when it was done.
func (r *recorder) add(a *conflict.Action, failure string) {
	record := spacedb.ActionRecord{
		Path: a.Path, Op: a.Op.String(), Side: a.Side.String(), Reason: a.Reason, Error: failure, Lost: a.Conflict, After: r.stateOf(a.Want),
	}
	if a.Op != conflict.Adopt { // there is nothing to take back
		record.Before, record.Base = r.stateOf(a.Expect), r.stateOf(a.Base)
	}
	r.waiting = append(r.waiting, record)
	if a.Divided && a.Op != conflict.Adopt && failure == "" { // what the other side has does not follow from this one
		r.waiting = append(r.waiting, spacedb.ActionRecord{
			Path: a.Path, Op: conflict.Adopt.String(), Side: (conflict.Mirror - a.Side).String(), Reason: "keeps attributes of its own", After: r.stateOf(a.Source),
		})
	}
}

// take takes what was noted, for the store to be told of.
func (r *recorder) take() (tell func() error) {
	list := r.waiting
	r.waiting = nil
	return func() error { return r.store.RecordActions(r.run, list) }
}

// flush tells it at once.
func (r *recorder) flush() error { return r.take()() }

func (r *recorder) stateOf(e conflict.Entry) spacedb.State { return stateWith(e, r.attributes) }

// stateWith is stateOf where extended attributes were looked at, perhaps.
func stateWith(e conflict.Entry, looked bool) spacedb.State {
	s := stateOf(e)
	if looked && (e.Kind == conflict.File || e.Kind == conflict.Directory) {
		s.Attributes = &e.Attributes
	}
	return s
}

// stateOf is an entry as a run's record keeps it.
func stateOf(e conflict.Entry) spacedb.State {
	s := spacedb.State{Mtime: e.Mtime, SHA256: spacedb.Hash(e.Hash), Target: e.Target}
	switch e.Kind {
	case conflict.File:
		s.Mode = spacedb.TypeRegular | e.Mode&permMask
	case conflict.Directory:
		s.Mode = spacedb.TypeDir | e.Mode&permMask
	case conflict.Symlink:
		s.Mode = spacedb.TypeSymlink | 0o777
	default:
		return spacedb.State{}
	}
	return s
}

// entryOf is stateOf's inverse; a record does not keep a file's size.
func entryOf(s spacedb.State) conflict.Entry {
	e := conflict.Entry{Mode: s.Mode & permMask, Mtime: s.Mtime, Hash: conflict.Hash(s.SHA256), Target: s.Target}
	switch s.Mode & spacedb.TypeMask {
	case spacedb.TypeRegular:
		e.Kind = conflict.File
	case spacedb.TypeDir:
		e.Kind = conflict.Directory
	case spacedb.TypeSymlink:
		e.Kind, e.Mode = conflict.Symlink, 0
	default:
		return conflict.Entry{}
	}
	if s.Attributes != nil {
		e.Attributes = *s.Attributes
	}
	return e
}

// isState says whether an entry is what a record has. Extended attributes count
// where both were looked at.
func isState(e conflict.Entry, s spacedb.State, looked bool) bool {
	if looked && s.Attributes != nil {
		return e.Same(entryOf(s))
	}
	return e.SameDocument(entryOf(s))
}
