//go:build cgo

package spacedb

// The driver hands out a copy of each blob, in memory of its own. Of a large file
// that is read that is a quarter of the work, so chunks are read here with a few
// calls of our own into the SQLite that the driver has linked in.

/*
#cgo darwin LDFLAGS: -Wl,-undefined,dynamic_lookup

#include <string.h>

// Weak: what cgo links by itself to look at has no SQLite.
#pragma weak sqlite3_prepare_v2
#pragma weak sqlite3_bind_int64
#pragma weak sqlite3_step
#pragma weak sqlite3_column_int64
#pragma weak sqlite3_column_blob
#pragma weak sqlite3_column_bytes
#pragma weak sqlite3_reset
#pragma weak sqlite3_finalize

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
int sqlite3_prepare_v2(sqlite3 *, const char *, int, sqlite3_stmt **, const char **);
int sqlite3_bind_int64(sqlite3_stmt *, int, long long);
int sqlite3_step(sqlite3_stmt *);
long long sqlite3_column_int64(sqlite3_stmt *, int);
const void *sqlite3_column_blob(sqlite3_stmt *, int);
int sqlite3_column_bytes(sqlite3_stmt *, int);
int sqlite3_reset(sqlite3_stmt *);
int sqlite3_finalize(sqlite3_stmt *);

static sqlite3_stmt *prepare_chunk(sqlite3 *db, int *code) {
	sqlite3_stmt *s = 0;
	*code = sqlite3_prepare_v2(db, "SELECT base, data FROM chunk WHERE id = ?", -1, &s, 0);
	return s;
}

typedef struct { int code, size; long long base; } found_chunk;

// Copies from a chunk that is stored as it is what fits into room bytes.
static found_chunk read_chunk(sqlite3_stmt *s, long long id, long long from, char *dest, int room) {
	found_chunk f = {0, 0, 0};
	sqlite3_bind_int64(s, 1, id);
	f.code = sqlite3_step(s);
	if (f.code == 100) {
		f.base = sqlite3_column_int64(s, 0);
		const char *data = sqlite3_column_blob(s, 1);
		f.size = sqlite3_column_bytes(s, 1);
		if (f.base == 0 && data && from < f.size) {
			long long n = f.size - from;
			memcpy(dest, data + from, n < room ? n : room);
		}
	}
	int code = sqlite3_reset(s);
	if (f.code != 100 && f.code != 101)
		f.code = code;
	return f;
}
*/
import "C"

import (
	"database/sql/driver"
	"reflect"
	"unsafe"

	"github.com/mattn/go-sqlite3"
)

const sqliteRow, sqliteDone = 100, 101

// chunkReader is a statement of a connection; it ends with it.
type chunkReader struct{ stmt *C.sqlite3_stmt }

// newChunkReader takes the handle out of the driver's connection.
func newChunkReader(db driver.Conn) (*chunkReader, error) {
	handle := reflect.ValueOf(db.(*sqlite3.SQLiteConn)).Elem().FieldByName("db").UnsafePointer()
	var code C.int
	stmt := C.prepare_chunk((*C.sqlite3)(handle), &code)
	if stmt == nil {
		return nil, engineError(sqlite3.Error{Code: sqlite3.ErrNo(code & 0xff), ExtendedCode: sqlite3.ErrNoExtended(code)})
	}
	return &chunkReader{stmt}, nil
}

// read fills dest with what a chunk has from offset from on, and returns how
// many bytes the chunk has and what it is packed against; then dest is as it was.
func (r *chunkReader) read(dest []byte, id, from int64) (base, size int64, found bool, err error) {
	f := C.read_chunk(r.stmt, C.longlong(id), C.longlong(from), (*C.char)(unsafe.Pointer(unsafe.SliceData(dest))), C.int(len(dest)))
	switch f.code {
	case sqliteRow:
		return int64(f.base), int64(f.size), true, nil
	case sqliteDone:
		return 0, 0, false, nil
	}
	return 0, 0, false, engineError(sqlite3.Error{Code: sqlite3.ErrNo(f.code & 0xff), ExtendedCode: sqlite3.ErrNoExtended(f.code)})
}

func (r *chunkReader) close() { C.sqlite3_finalize(r.stmt) }
