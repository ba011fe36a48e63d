//go:build !cgo

package spacedb

import (
	"database/sql/driver"
	"errors"
)

// EngineVersion is empty: SQLite is C, and this build has none.
func EngineVersion() string { return "" }

func openDriver(string) (driver.Conn, error) {
	return nil, errors.New("spacefs was built without cgo, so it has no SQLite: build it with CGO_ENABLED=1")
}

func engineError(err error) error { return err }

func (c *conn) readsOnly() error { return errors.New("there is no SQLite") }

type chunkReader struct{}

func newChunkReader(driver.Conn) (*chunkReader, error) { return nil, errors.New("there is no SQLite") }

func (*chunkReader) read([]byte, int64, int64) (base, size int64, found bool, err error) { return }

func (*chunkReader) close() {}
