package spacedb

import (
	"context"
	"errors"

	"spacefs/internal/attributes"
)

// Item is a node at a path of a snapshot.
type Item struct {
	Path   string
	Attr   Attr
	SHA256 Hash // of a sealed document; zero when Sealed is false
	Sealed bool
	Target string // of a symlink
	Junk   bool
	// ID and Revision are the document's UUID and the number of its last
	// revision; "" and 0 while it has none.
	ID       string
	Revision int
	// HasXattrs: Snapshot.Xattrs tells which; Attributes are those that somebody
	// wanted, once he has asked.
	HasXattrs  bool
	Attributes attributes.Set

	chunk int64 // the first of the content, of an item of now
}

// Snapshot is the tree as it was at one moment, while the space goes on
// changing. Close it soon: until then the WAL cannot start anew. For one
// goroutine.
type Snapshot struct {
	store *Store
	junk  *junkRules // of this moment too: a list that changes meanwhile deletes nothing
	conn  *conn
	seq   uint64
	nodes int64
	past  *instant // nil: now

	basesMoved uint64 // Store.basesMoved, of that moment or before
}

// Snapshot makes everything durable and returns the tree as it is then.
func (s *Store) Snapshot(ctx context.Context) (*Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	basesMoved := s.basesMoved
	s.mu.Unlock()
	if err := s.Sync(); err != nil {
		return nil, err
	}
	c, err := s.readers.get()
	if err != nil {
		return nil, err
	}
	v := &Snapshot{store: s, conn: c, junk: s.junk.Load(), basesMoved: basesMoved}
	if err := c.exec("BEGIN"); err != nil {
		s.readers.put(c)
		return nil, err
	}
	// The first read is what fixes the moment.
	_, err = c.one(func(r row) error { v.seq, v.nodes = uint64(r.int(0)), r.int(1); return nil },
		`SELECT seq, nodes FROM space`)
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// Close ends the snapshot.
func (v *Snapshot) Close() error {
	if v.conn == nil {
		return nil
	}
	err := v.conn.exec("ROLLBACK")
	v.store.readers.put(v.conn)
	v.conn = nil
	return err
}

// Seq is the last operation that the snapshot shows.
func (v *Snapshot) Seq() uint64 { return v.seq }

// Junk says whether a path is junk, as Store.Junk does, by the list of this moment.
func (v *Snapshot) Junk(path string) bool { return v.junk.match(path) }

// Nodes is how many nodes its tree has.
func (v *Snapshot) Nodes() int64 { return v.nodes }
