//go:build cgo

package spacedb

import (
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/mattn/go-sqlite3"
)

// EngineVersion is the version of the SQLite that is built in.
func EngineVersion() string {
	v, _, _ := sqlite3.Version()
	return v
}

func openDriver(dsn string) (driver.Conn, error) {
	return (&sqlite3.SQLiteDriver{}).Open(dsn)
}

// engineError adds to an SQLite error the sentinel that says what it means
// for the caller; the cause stays readable.
func engineError(err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case sqlite3.ErrFull:
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB, sqlite3.ErrFormat:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case sqlite3.ErrReadonly, sqlite3.ErrPerm, sqlite3.ErrCantOpen:
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}

// readsOnly lets a connection compile nothing but queries.
func (c *conn) readsOnly() error {
	db := c.db.(*sqlite3.SQLiteConn)
	const sqliteRecursive = 33
	db.RegisterAuthorizer(func(op int, arg1, arg2, _ string) int {
		switch op {
		case sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqliteRecursive:
			return sqlite3.SQLITE_OK
		case sqlite3.SQLITE_FUNCTION:
			if arg2 != "load_extension" {
				return sqlite3.SQLITE_OK
			}
		}
		return sqlite3.SQLITE_DENY
	})
	return nil
}
