package spacedb

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Both ways to read a chunk read the same, whatever it is stored as and wherever
// one begins and ends.
func TestAChunkIsReadAlikeBothWays(t *testing.T) {
	s, _ := newSpace(t, calm)
	tr := s.Tree(mount)
	note := save(t, tr, "note.md", strings.Repeat("what a person writes\n", 3000))
	save(t, tr, "noise", string(noise(3*chunkSize+77)))
	settle(t, s)
	overwrite(t, tr, note.ID, strings.Repeat("what a person writes\n", 3000)+"and more")
	settle(t, s)
	ok(t, s.packSuperseded(t.Context()))
	ok(t, s.reading(func(c *conn) error {
		packed := 0
		var ids []int64
		ok(t, c.query(func(r row) error {
			ids = append(ids, r.int(0))
			if r.int(1) != baseNone {
				packed++
			}
			return nil
		}, `SELECT id, base FROM chunk`))
		if packed == 0 || packed == len(ids) {
			t.Errorf("of %d chunks %d are packed", len(ids), packed)
		}
		for _, id := range ids {
			var data []byte
			ok(t, c.readChunk(id, func(b []byte) { data = bytes.Clone(b) }))
			for _, at := range [][2]int64{{0, chunkSize}, {0, 10}, {1000, 7}, {chunkSize - 9, 9}, {int64(len(data)) - 1, 4}, {0, 0}} {
				want, got := make([]byte, at[1]), bytes.Repeat([]byte("x"), int(at[1]))
				copyZeroed(want, data, at[0])
				ok(t, c.copyChunk(got, id, at[0]))
				if !bytes.Equal(want, got) {
					t.Errorf("chunk %d from %d on, %d bytes: they differ", id, at[0], at[1])
				}
			}
		}
		if err := c.copyChunk(make([]byte, 1), 1<<40, 0); !errors.Is(err, ErrDamaged) || !strings.Contains(fmt.Sprint(err), "missing") {
			t.Errorf("of a chunk that is not there: %v", err)
		}
		return nil
	}))
}
