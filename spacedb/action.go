package spacedb

import (
	"errors"
	"io"

	"spacefs/internal/attributes"
)

// State is what a side held at a path. The zero State is nothing.
type State struct {
	Mode   uint32 `json:"mode,omitempty"`   // type and permission bits
	SHA256 Hash   `json:"sha256,omitzero"`  // of a document
	Target string `json:"target,omitempty"` // of a symlink
	Mtime  int64  `json:"mtime,omitempty"`  // ns since 1970
	// Attributes are the extended ones that are synced; nil: nobody looked.
	Attributes *attributes.Set `json:"attributes,omitempty"`
}

// Absent says whether the side held nothing.
func (s State) Absent() bool { return s.Mode == 0 }

// data is what a row has of it beside mode and time.
func (s State) data() any {
	switch s.Mode & TypeMask {
	case TypeRegular:
		return s.SHA256[:]
	case TypeSymlink:
		return []byte(s.Target)
	}
	return nil
}

func (s State) columns() []any {
	if s.Absent() {
		return []any{nil, nil, nil, nil}
	}
	var xattrs any
	if s.Attributes != nil {
		xattrs = []byte(*s.Attributes)
	}
	return []any{s.Mode, s.data(), s.Mtime, xattrs}
}

// stateAt reads the columns that columns wrote.
func stateAt(r row, i int) (s State) {
	if r.values[i+3] != nil {
		if set, err := attributes.Parse(r.text(i + 3)); err == nil {
			s.Attributes = &set
		}
	}
	s.Mode, s.Mtime = uint32(r.int(i)), r.int(i+2)
	switch s.Mode & TypeMask {
	case TypeRegular:
		s.SHA256 = r.hash(i + 1)
	case TypeSymlink:
		s.Target = r.text(i + 1)
	}
	return s
}

// ActionRecord is one thing that a run did, or failed to do, with what it takes
// to explain it and to take it back: the contents are in history.
type ActionRecord struct {
	Path   string `json:"path"`
	Op     string `json:"op"`               // the plan's word for it
	Side   string `json:"side"`             // "space" or "mirror"
	Reason string `json:"reason,omitempty"` // the rule that asked for it
	Error  string `json:"error,omitempty"`  // "" when done
	Lost   bool   `json:"lost,omitempty"`   // Before lost a conflict
	Before State  `json:"before,omitzero"`  // on that side
	After  State  `json:"after,omitzero"`   // on that side
	Base   State  `json:"base,omitzero"`    // what both sides had agreed on; its Mtime is not kept
}

// +?1, here and elsewhere: SQLite plans "run = ?" anew whenever it is about 0 or 1,
// which takes longer than the statement does.
const insertAction = `INSERT INTO action (run, idx, path, op, side, error, reason, lost,
		before_mode, before_data, before_mtime, before_xattrs, after_mode, after_data, after_mtime, after_xattrs,
		base_mode, base_data, base_mtime, base_xattrs)
	VALUES (?1, (SELECT 1 + coalesce(max(idx), -1) FROM action WHERE run = +?1), ?2, ?3, ?4, ?5, ?6, ?7,
		?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)`

func actionStatements(run int64, actions []ActionRecord) []statement {
	list := make([]statement, 0, len(actions)+1)
	for _, a := range actions {
		args := []any{run, []byte(a.Path), a.Op, a.Side, a.Error, a.Reason, a.Lost}
		args = append(append(append(args, a.Before.columns()...), a.After.columns()...), a.Base.columns()...)
		list = append(list, statement{insertAction, args})
	}
	return list
}

// RecordActions adds to what a run did. Like AdvanceBase it takes its place in
// the log: recorded before the bases move, an action that a killed run did is
// not forgotten.
func (s *Store) RecordActions(run int64, actions []ActionRecord) error {
	if len(actions) == 0 {
		return nil
	}
	return s.record(actionStatements(run, actions)...)
}

const actionColumns = `path, op, side, error, reason, lost, before_mode, before_data, before_mtime, before_xattrs,
	after_mode, after_data, after_mtime, after_xattrs, base_mode, base_data, base_mtime, base_xattrs`

func scanAction(r row, from int) ActionRecord {
	return ActionRecord{
		Path: r.text(from), Op: r.text(from + 1), Side: r.text(from + 2), Error: r.text(from + 3), Reason: r.text(from + 4),
		Lost: r.int(from+5) == 1, Before: stateAt(r, from+6), After: stateAt(r, from+10), Base: stateAt(r, from+14),
	}
}

// ErrNoRun: no run has that number.
var ErrNoRun = errors.New("no such run")

// RunActions returns a run and what it did, in order.
func (s *Store) RunActions(id int64) (run Run, actions []ActionRecord, err error) {
	err = s.reading(func(c *conn) error {
		found, err := c.one(func(r row) error { run = scanRun(r); return nil }, `SELECT `+runColumns+` FROM run WHERE id = ?`, id)
		if err == nil && !found {
			err = ErrNoRun
		}
		if err != nil {
			return err
		}
		return c.query(func(r row) error { actions = append(actions, scanAction(r, 0)); return nil },
			`SELECT `+actionColumns+` FROM action WHERE run = ? ORDER BY idx`, id)
	})
	return run, actions, err
}

// LastActions returns the last run that did something at a path, and what; 0
// when none did.
func (s *Store) LastActions(path string) (run Run, actions []ActionRecord, err error) {
	var id int64
	err = s.reading(func(c *conn) error {
		_, err := c.one(func(r row) error { id = r.int(0); return nil },
			`SELECT run FROM action WHERE path = ? ORDER BY run DESC LIMIT 1`, []byte(path))
		return err
	})
	if err != nil || id == 0 {
		return run, nil, err
	}
	run, all, err := s.RunActions(id)
	for _, a := range all {
		if a.Path == path {
			actions = append(actions, a)
		}
	}
	return run, actions, err
}

// FindContent finds a revision with this hash: one that was at path, if there
// is one, and of several the last.
func (s *Store) FindContent(h Hash, path string) (found Revision, ok bool, err error) {
	err = s.reading(func(c *conn) error {
		ok, err = c.one(func(r row) error {
			found = Revision{
				Document: r.text(0), Number: int(r.int(1)), Path: r.text(2), Time: timeOf(r.int(3)), Origin: Origin(r.int(4)),
				Run: r.int(5), Mode: uint32(r.int(6)), Size: r.int(7), SHA256: h, Lost: r.int(8) == 1,
			}
			return nil
		}, `SELECT uuid, number, revision.path, time, origin, run, mode, size, lost
			FROM revision JOIN document ON document.id = revision.document
			WHERE sha256 = ? ORDER BY revision.path = ? DESC, revision.id DESC LIMIT 1`, h, []byte(path))
		return err
	})
	return found, ok, err
}

// OpenHash reads the content with this hash from history. ErrNoRevision: it is
// not there, or not any more.
func (v *Snapshot) OpenHash(h Hash) (content io.ReadSeeker, err error) {
	var id, size int64
	var chunks []byte
	found, err := v.conn.one(func(r row) error {
		id, size, chunks = r.int(0), r.int(1), append([]byte(nil), r.bytes(2)...)
		return nil
	}, `SELECT id, size, chunks FROM revision WHERE sha256 = ? LIMIT 1`, h)
	if err == nil && !found {
		err = ErrNoRevision
	}
	if err != nil {
		return nil, err
	}
	return v.openChunks(id, chunks, size)
}
