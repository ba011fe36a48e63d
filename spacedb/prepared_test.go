//go:build cgo

package spacedb

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/mattn/go-sqlite3"
)

// compiled counts what the connection compiles from now on: SQLite asks the
// authorizer for leave whenever it compiles something, and never else.
func (c *conn) compiled() *atomic.Int64 {
	var count atomic.Int64
	c.db.(*sqlite3.SQLiteConn).RegisterAuthorizer(func(int, string, string, string) int {
		count.Add(1)
		return sqlite3.SQLITE_OK
	})
	return &count
}

// TestStatementsArePreparedOnce: after a round of everything that programs do
// often, another round compiles nothing. SQLite compiles a statement again by
// itself where its plan might depend on what is bound (conn.go); that once was
// two thirds of what a commit of removals cost.
func TestStatementsArePreparedOnce(t *testing.T) {
	s, _ := newSpace(t, Options{Quiet: calm.Quiet, Delay: calm.Delay, Nodes: 8})
	tr := s.Tree(mount)
	large := make([]byte, 3*chunkSize)
	round := func(n int) {
		name := func(i int) string { return fmt.Sprintf("%d-%d", n, i) }
		dir := must(tr.Mkdir(Root, fmt.Sprint("d", n), 0o755, Cred{})).ID
		for i := range 20 {
			a := must(tr.Mknod(dir, name(i), TypeRegular|0o644, 0, Cred{}))
			must(tr.WriteAt(a.ID, []byte(name(i)), 0))
			ok(t, tr.SetXattr(a.ID, "user.x", []byte("x"), 0))
		}
		big := must(tr.Mknod(dir, "big", TypeRegular|0o644, 0, Cred{})).ID
		must(tr.WriteAt(big, large, 0))
		ok(t, s.Seal(t.Context()))
		ok(t, s.Sync())
		s.forget()
		must(tr.WriteAt(big, []byte("patch"), chunkSize+5))
		ok(t, s.Sync())
		must(tr.ReadAt(big, make([]byte, 100), chunkSize))
		for i := range 20 { // evicted meanwhile
			must(tr.Lookup(dir, name(i)))
			if _, err := tr.Lookup(dir, name(i)+"?"); err != ErrNotFound {
				t.Fatal(err)
			}
		}
		for i := range 10 {
			ok(t, tr.Rename(dir, name(i), dir, name(i)+"r", 0))
		}
		ok(t, s.Sync())
		for i := range 10 {
			ok(t, tr.Unlink(dir, name(i)+"r"))
			ok(t, tr.Unlink(dir, name(i+10)))
		}
		ok(t, s.Sync())
		must(tr.WriteAt(must(tr.Mknod(dir, name(0), TypeRegular|0o644, 0, Cred{})).ID, []byte("again"), 0))
		ok(t, s.Seal(t.Context()))
		ok(t, s.Sync())
	}
	round(1)
	counts := map[string]*atomic.Int64{"write": s.write.compiled(), "meta": s.meta.compiled()}
	s.write.forget() // as a control: the counter counts
	round(2)
	if counts["write"].Load() == 0 {
		t.Fatal("compiling is not noticed")
	}
	before := map[string]int64{}
	for name, count := range counts {
		before[name] = count.Load()
	}
	round(3)
	for name, count := range counts {
		if again := count.Load() - before[name]; again > 0 {
			t.Errorf("connection %q compiled again: %d steps", name, again)
		}
	}
}
