package spacedb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
)

// conn is one SQLite connection with its prepared statements. It goes around
// database/sql, which costs several times the statement itself, and is not
// safe for concurrent use: whoever owns it serialises.
type conn struct {
	db    driver.Conn
	stmts map[string]*stmt
	// chunks reads them faster; nil before it is needed, or where there is none.
	chunks *chunkReader
}

type stmt struct {
	prepared driver.Stmt
	args     []driver.NamedValue // reused: one execution at a time
}

// The ways a space file is opened. Every connection gets every pragma.
const (
	modeWrite     = "rw"
	modeRead      = "ro"
	modeImmutable = "immutable" // nobody can write to it
)

func openConn(path, mode string) (*conn, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	q := url.Values{
		"mode":          {mode},
		"_busy_timeout": {"10000"},
		"_foreign_keys": {"1"},
		// A connection is one goroutine's at a time: SQLite need not see to it.
		"_mutex": {"no"},
		// Every commit is synced: there is no commit that only looks durable.
		"_synchronous": {"FULL"},
	}
	if mode == modeImmutable {
		q.Set("mode", modeRead)
		q.Set("immutable", "1")
	}
	db, err := openDriver((&url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, engineError(err)
	}
	c := &conn{db: db, stmts: map[string]*stmt{}}
	pragmas := []string{
		"PRAGMA trusted_schema=OFF",
		"PRAGMA cell_size_check=ON",
		"PRAGMA cache_size=-8192",
		"PRAGMA fullfsync=ON",
		"PRAGMA checkpoint_fullfsync=ON",
		// Checkpoints have a connection and a goroutine of their own.
		"PRAGMA wal_autocheckpoint=0",
	}
	if sabotage == "no sync" {
		pragmas = append(pragmas, "PRAGMA synchronous=OFF")
	}
	if mode != modeWrite {
		pragmas = append(pragmas, "PRAGMA query_only=ON")
	} else {
		// A page that was spilled into the WAL and changes again makes SQLite read and
		// sum up everything behind it once more. What a commit writes is bounded anyway.
		pragmas = append(pragmas, "PRAGMA cache_spill=OFF")
	}
	for _, p := range pragmas {
		if err := c.exec(p); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

func (c *conn) prepare(query string, args []any) (*stmt, error) {
	s := c.stmts[query]
	if s == nil {
		text := query
		if len(args) > 0 {
			text = steady.Replace(query)
		}
		p, err := c.db.Prepare(text)
		if err != nil {
			return nil, engineError(err)
		}
		s = &stmt{prepared: p, args: make([]driver.NamedValue, len(args))}
		for i := range s.args {
			s.args[i].Ordinal = i + 1
		}
		c.stmts[query] = s
	}
	for i, a := range args {
		s.args[i].Value = bindable(a)
	}
	return s, nil
}

// steady keeps a prepared statement prepared. Where SQLite looks at what is bound
// to "= ?" or "LIMIT ?" while it plans, it plans again at every execution, which
// costs several times the execution; at an expression it does not look.
var steady = strings.NewReplacer("= ?", "= +?", "LIMIT ?", "LIMIT +?")

// bindable widens an argument to one of the types SQLite takes.
func bindable(a any) driver.Value {
	switch v := a.(type) {
	case int:
		return int64(v)
	case uint32:
		return int64(v)
	case uint64:
		return int64(v)
	case NodeID:
		return int64(v)
	case Origin:
		return int64(v)
	case Hash:
		return v[:]
	}
	return a
}

// exec runs a statement that returns nothing. Text and blobs are copied before
// it returns. It is asked as a query is: the driver binds and steps that in one
// call of C, and what it executes in a call for each argument.
func (c *conn) exec(query string, args ...any) error {
	s, err := c.prepare(query, args)
	if err != nil {
		return err
	}
	rows, err := s.prepared.(driver.StmtQueryContext).QueryContext(context.Background(), s.args)
	for i := range s.args {
		s.args[i].Value = nil // do not keep content alive
	}
	if err != nil {
		return engineError(err)
	}
	if err = rows.Next(nil); err == io.EOF {
		err = nil
	}
	return engineError(errors.Join(err, rows.Close()))
}

// query calls scan for each row until it returns an error. The row is reused.
// scan must not use the connection for the same query.
func (c *conn) query(scan func(row) error, query string, args ...any) error {
	s, err := c.prepare(query, args)
	if err != nil {
		return err
	}
	rows, err := s.prepared.(driver.StmtQueryContext).QueryContext(context.Background(), s.args)
	if err != nil {
		return engineError(err)
	}
	defer rows.Close()
	r := row{values: make([]driver.Value, len(rows.Columns()))}
	for {
		switch err := rows.Next(r.values); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return engineError(err)
		}
		if err := scan(r); err != nil {
			return err
		}
	}
}

// one is query for at most one row; found tells whether there was any.
func (c *conn) one(scan func(row) error, query string, args ...any) (found bool, err error) {
	err = c.query(func(r row) error {
		found = true
		return scan(r)
	}, query, args...)
	return found, err
}

// inTx runs fn in one transaction: all of it happens, or nothing.
func (c *conn) inTx(fn func() error) error {
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := fn()
	if err == nil {
		err = c.exec("COMMIT")
	}
	if err != nil {
		// After some failures SQLite has rolled back by itself; then this one
		// fails, and that is fine.
		_ = c.exec("ROLLBACK")
	}
	return err
}

// forget finalises every statement.
func (c *conn) forget() {
	for _, s := range c.stmts {
		s.prepared.Close()
	}
	clear(c.stmts)
}

func (c *conn) close() error {
	c.forget()
	if c.chunks != nil {
		c.chunks.close()
	}
	return engineError(c.db.Close())
}

// row is one result row. A column of another type than expected reads as
// zero: a hostile file must not crash us, and Check names it.
type row struct{ values []driver.Value }

func (r row) int(i int) int64 {
	v, _ := r.values[i].(int64)
	return v
}

func (r row) bytes(i int) []byte {
	switch v := r.values[i].(type) {
	case []byte:
		return v
	case string:
		return []byte(v)
	}
	return nil
}

func (r row) text(i int) string {
	switch v := r.values[i].(type) {
	case []byte:
		return string(v)
	case string:
		return v
	}
	return ""
}

func (r row) hash(i int) (h Hash) {
	if b := r.bytes(i); len(b) == len(h) {
		copy(h[:], b)
	}
	return h
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}

// script runs several statements that take nothing and return nothing.
func (c *conn) script(text string) error {
	_, err := c.db.(driver.ExecerContext).ExecContext(context.Background(), text, nil)
	return engineError(err)
}
