package spacedb

// BeginRun starts a run; its number goes into everything done on its behalf.
// What was done before is made durable, so that the past has the tree as the
// run found it.
func (s *Store) BeginRun(kind string, mirror int64) (Run, error) {
	run := Run{Kind: kind, Mirror: mirror}
	if err := s.Sync(); err != nil {
		return run, err
	}
	err := s.Tree(Actor{Origin: OriginCLI}).change()
	defer s.mu.Unlock()
	if err != nil {
		return run, err
	}
	run.Started = s.options.now()
	if err = s.nextRun(&run); err == nil {
		s.recordLocked(statement{`INSERT INTO run (id, kind, mirror, started, finished, outcome, detail, began) VALUES (?, ?, ?, ?, 0, '', '', ?)`,
			[]any{run.ID, kind, mirror, run.Started.UnixNano(), s.seq}})
	}
	return run, err
}

// nextRun numbers a run; the last number is read once.
func (s *Store) nextRun(run *Run) error {
	if s.lastRun == 0 {
		_, err := s.meta.one(func(r row) error { s.lastRun = r.int(0); return nil }, `SELECT coalesce(max(id), 0) FROM run`)
		if err != nil {
			return err
		}
	}
	s.lastRun++
	run.ID = s.lastRun
	return nil
}

// FinishRun records how a run ended, and what it did that is not recorded yet.
func (s *Store) FinishRun(run int64, outcome, detail string, actions []ActionRecord) error {
	statements := actionStatements(run, actions)
	t := s.Tree(Actor{Origin: OriginCLI})
	err := t.change()
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	statements = append(statements, statement{`UPDATE run SET finished = ?, outcome = ?, detail = ?, ended = ? WHERE id = ?`,
		[]any{s.now(), outcome, detail, s.seq, run}})
	s.recordLocked(statements...)
	return nil
}

const runColumns = `id, kind, mirror, started, finished, outcome, detail`

func scanRun(r row) Run {
	return Run{
		ID: r.int(0), Kind: r.text(1), Mirror: r.int(2), Started: timeOf(r.int(3)), Finished: timeOf(r.int(4)),
		Outcome: r.text(5), Detail: r.text(6),
	}
}

// Runs lists the last runs, newest first.
func (s *Store) Runs(limit int) (list []Run, err error) {
	err = s.reading(func(c *conn) error {
		return c.query(func(r row) error {
			list = append(list, scanRun(r))
			return nil
		}, `SELECT `+runColumns+` FROM run ORDER BY id DESC LIMIT ?`, limit)
	})
	return list, err
}

// SetConflicts records what a run found: the mirror's unresolved conflicts that
// are not among found any more are resolved, one that is found again keeps its
// number and the time it was first found.
func (s *Store) SetConflicts(mirror, run int64, found []ConflictRecord) error {
	return s.SetConflictsAbout(mirror, run, found, nil)
}

// SetConflictsAbout is SetConflicts for a run that can tell only of some paths;
// nil: of all.
func (s *Store) SetConflictsAbout(mirror, run int64, found []ConflictRecord, about func(path string) bool) error {
	open, err := s.Conflicts(true)
	if err != nil {
		return err
	}
	type subject struct{ path, attribute string }
	known := map[subject]ConflictRecord{}
	for _, c := range open {
		if c.Mirror == mirror && (about == nil || about(c.Path)) {
			known[subject{c.Path, c.Attribute}] = c
		}
	}
	var statements []statement
	now := s.now()
	for _, c := range found {
		var resolved int64
		if c.Winner != "" {
			resolved = now
		}
		if old, ok := known[subject{c.Path, c.Attribute}]; ok {
			delete(known, subject{c.Path, c.Attribute})
			statements = append(statements, statement{`UPDATE conflict SET run = ?, kind = ?, base = ?, space = ?, dir = ?,
				strategy = ?, winner = ?, resolved = ? WHERE id = ?`,
				[]any{run, c.Kind, c.Base, c.Space, c.Dir, c.Strategy, c.Winner, resolved, old.ID}})
			continue
		}
		statements = append(statements, statement{`INSERT INTO conflict
			(mirror, run, path, attribute, kind, base, space, dir, strategy, winner, found, resolved) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			[]any{mirror, run, []byte(c.Path), []byte(c.Attribute), c.Kind, c.Base, c.Space, c.Dir, c.Strategy, c.Winner, now, resolved}})
	}
	for _, old := range known {
		statements = append(statements, statement{`UPDATE conflict SET resolved = ? WHERE id = ?`, []any{now, old.ID}})
	}
	if len(statements) == 0 {
		return nil
	}
	return s.record(statements...)
}

// Conflicts lists conflicts, oldest first.
func (s *Store) Conflicts(unresolvedOnly bool) (list []ConflictRecord, err error) {
	err = s.reading(func(c *conn) error {
		return c.query(func(r row) error {
			list = append(list, ConflictRecord{
				ID: r.int(0), Mirror: r.int(1), Run: r.int(2), Path: r.text(3), Kind: r.text(4), Base: r.text(5), Space: r.text(6),
				Dir: r.text(7), Strategy: r.text(8), Winner: r.text(9), Found: timeOf(r.int(10)), Resolved: timeOf(r.int(11)),
				Attribute: r.text(12),
			})
			return nil
		}, `SELECT id, mirror, run, path, kind, base, space, dir, strategy, winner, found, resolved, attribute FROM conflict
			WHERE resolved = 0 OR NOT ? ORDER BY id`, unresolvedOnly)
	})
	return list, err
}
