package spacedb

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A repair changes what can be known from the rest of the file: counts, totals,
// what names and owns what. It removes no content: what nobody names any more
// gets a name in lost+found. Content that is not there, or not what its hash
// says, cannot be mended; it is left and told.

// RepairResult is what a repair did, and what a check finds after it.
type RepairResult struct {
	Mended []Finding `json:"mended"`
	Left   []Finding `json:"left"`
}

// Repair mends the space at path, which nobody may have open, in one
// transaction.
func Repair(ctx context.Context, path string) (r RepairResult, err error) {
	if _, err := identify(path); err != nil {
		return r, err
	}
	if isReadOnly(path) {
		return r, fmt.Errorf("%s: %w; %s", path, ErrReadOnly, makeWritable)
	}
	lock, err := acquireLock(path)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	c, err := openConn(path, modeWrite)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := (&Store{write: c}).upgrade(); err != nil {
		return r, err
	}
	m := &mender{ctx: ctx, conn: c, now: time.Now().UnixNano(), used: bitmap{}}
	if err := c.inTx(m.mend); err != nil {
		return r, fmt.Errorf("repair %s: nothing was changed: %w", path, err)
	}
	r.Mended = m.mended
	r.Left, err = checkFile(ctx, c)
	return r, err
}

type mender struct {
	ctx    context.Context
	conn   *conn
	now    int64
	mended []Finding
	lost   NodeID // lost+found, 0: not needed yet
	used   bitmap // chunks that a revision or node has
}

func (m *mender) did(where, format string, args ...any) {
	m.mended = append(m.mended, Finding{where, fmt.Sprintf(format, args...)})
}

func (m *mender) mend() error {
	for _, step := range []func() error{
		m.redo, m.indexes, m.counters, m.entries, m.names, m.orphans, m.documents, m.revisions, m.seals, m.extents, m.chunks, m.links, m.totals,
	} {
		if err := errors.Join(m.ctx.Err(), step()); err != nil {
			return err
		}
	}
	return nil
}

// redo carries out what a crash left in the redo log, so that what is mended is
// what was durable. What cannot be read of it is lost.
func (m *mender) redo() error {
	batches, err := unredone(m.conn)
	if errors.Is(err, ErrDamaged) {
		m.did("redo", "what was written last before a crash cannot be read (%v), and is gone", err)
		return m.conn.exec(`DELETE FROM redo`)
	}
	if err != nil {
		return err
	}
	return carryOut(m.conn, batches)
}

// change runs a statement and says so, if it is needed for any row. count asks
// for how many.
func (m *mender) change(where, what, count, statement string, args ...any) error {
	rows := int64(0)
	if _, err := m.conn.one(func(r row) error { rows = r.int(0); return nil }, count, args...); err != nil || rows == 0 {
		return err
	}
	m.did(where, what, rows)
	return m.conn.exec(statement, args...)
}

func (m *mender) indexes() error {
	sound := true
	err := m.conn.query(func(r row) error { sound = sound && r.text(0) == "ok"; return nil }, `PRAGMA integrity_check(1)`)
	if err != nil || sound {
		return err
	}
	m.did("file", "the indexes were built anew")
	return m.conn.exec(`REINDEX`)
}

// counters: a number that is in use was given out.
func (m *mender) counters() error {
	for _, table := range []string{"node", "chunk", "document", "revision"} {
		err := m.change("space", "a counter of "+table+"s was behind (%d)",
			`SELECT count(*) FROM space WHERE `+table+` < (SELECT coalesce(max(id), 0) FROM `+table+`)`,
			`UPDATE space SET `+table+` = (SELECT max(id) FROM `+table+`)`)
		if err != nil {
			return err
		}
	}
	return nil
}

// totals: and whoever opens the space next looks for what is to be sealed.
func (m *mender) totals() error {
	const nodes = `(SELECT count(*) FROM node WHERE nlink > 0)`
	const bytes = `(SELECT coalesce(sum(size), 0) FROM node WHERE nlink > 0 AND mode & 61440 = 32768)`
	err := m.change("space", "the totals were wrong (%d)",
		`SELECT count(*) FROM space WHERE nodes <> `+nodes+` OR bytes <> `+bytes,
		`UPDATE space SET nodes = `+nodes+`, bytes = `+bytes)
	if err == nil && len(m.mended) > 0 {
		err = m.conn.exec(`UPDATE space SET clean = 0`)
	}
	return err
}
