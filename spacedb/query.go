package spacedb

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"strings"
)

// Table is the answer to a query.
type Table struct {
	Columns []string `json:"columns"`
	Rows    [][]any  `json:"rows"` // int64, float64, string, or nil
}

// answerLimit is how many bytes of an answer are held in memory.
const answerLimit = 64 << 20

// Query answers an SQL query on the public views (docs/views.md). It can read,
// and nothing else: no statement that writes, attaches a file or changes a
// setting is compiled.
func (s *Store) Query(ctx context.Context, query string) (t Table, err error) {
	if err := s.Sync(); err != nil {
		return t, err
	}
	c, err := openConn(s.path, s.readers.mode)
	if err != nil {
		return t, err
	}
	defer c.close()
	if err := c.readsOnly(); err != nil {
		return t, err
	}
	rows, err := c.db.(driver.QueryerContext).QueryContext(ctx, query, nil)
	if err != nil {
		return t, queryError(err)
	}
	defer rows.Close()
	t.Columns, t.Rows = rows.Columns(), [][]any{}
	size := 0
	for {
		values := make([]driver.Value, len(t.Columns))
		switch err := rows.Next(values); err {
		case nil:
		case io.EOF:
			return t, ctx.Err()
		default:
			return t, queryError(err)
		}
		line := make([]any, len(values))
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				v = fmt.Sprintf("x'%x'", b)
			}
			if text, ok := v.(string); ok {
				size += len(text)
			}
			line[i] = v
			size += 16
		}
		if size > answerLimit {
			return t, fmt.Errorf("the answer is larger than %d MiB; add a LIMIT, or use the SQLite shell: sqlite3 -readonly %s", answerLimit>>20, s.path)
		}
		t.Rows = append(t.Rows, line)
	}
}

func queryError(err error) error {
	if strings.Contains(err.Error(), "not authorized") {
		return fmt.Errorf("a query can only read (SELECT): %w", err)
	}
	return err
}
