package spacedb

// Apart is a path at which a mirror and the space differ on purpose: a run that
// had made them agree was taken back.
type Apart struct {
	Path   string `json:"path"`
	Run    int64  `json:"run"` // that took it back
	Space  State  `json:"space,omitzero"`
	Mirror State  `json:"mirror,omitzero"`
}

// Apart lists them for a mirror, in byte order of path.
func (v *Snapshot) Apart(mirror int64) (list []Apart, err error) {
	err = v.conn.query(func(r row) error {
		list = append(list, Apart{Path: r.text(0), Run: r.int(1), Space: stateAt(r, 2), Mirror: stateAt(r, 6)})
		return nil
	}, `SELECT path, run, space_mode, space_data, space_mtime, space_xattrs, mirror_mode, mirror_data, mirror_mtime, mirror_xattrs
		FROM apart WHERE mirror = ? ORDER BY path`, mirror)
	return list, err
}

// SetApart lets paths of a mirror be apart, and what is in remove not any more.
// It takes its place in the log.
func (s *Store) SetApart(mirror int64, set []Apart, remove []string) error {
	if len(set)+len(remove) == 0 {
		return nil
	}
	var statements []statement
	for _, p := range remove {
		statements = append(statements, statement{`DELETE FROM apart WHERE mirror = ? AND path = ?`, []any{mirror, []byte(p)}})
	}
	for _, a := range set {
		args := append(append([]any{mirror, []byte(a.Path), a.Run}, a.Space.columns()...), a.Mirror.columns()...)
		statements = append(statements, statement{`REPLACE INTO apart (mirror, path, run, space_mode, space_data, space_mtime, space_xattrs,
			mirror_mode, mirror_data, mirror_mtime, mirror_xattrs) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, args})
	}
	return s.record(statements...)
}
