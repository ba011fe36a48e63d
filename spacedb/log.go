package spacedb

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"
)

// LogEntry is one thing that happened to a document: a revision, or that it
// was renamed, deleted, or given another mode.
type LogEntry struct {
	What LogKind `json:"what"`
	To   string  `json:"to,omitempty"` // of a document that was renamed
	// Of a revision, all of it; otherwise Path, Time, Origin, Run and Mode: what
	// it was before.
	Revision
}

// LogKind is what happened.
type LogKind string

const (
	Saved       LogKind = "saved"
	Renamed     LogKind = "renamed"
	Deleted     LogKind = "deleted"
	ModeChanged LogKind = "mode"
)

// Log tells what happened to the document at path, newest first; or, if a
// directory is there, to everything below it. At most limit entries are
// returned, 0: all; more says that there are older ones.
func (s *Store) Log(ctx context.Context, path string, limit int) (list []LogEntry, more bool, err error) {
	v, err := s.Snapshot(ctx)
	if err != nil {
		return nil, false, err
	}
	defer v.Close()
	if limit == 0 {
		limit = math.MaxInt32
	}
	l := &logReader{ctx: ctx, v: v, limit: limit + 1, seen: map[int64]bool{}}
	if err := l.read(path); err != nil {
		return nil, false, err
	}
	slices.SortStableFunc(l.list, func(a, b LogEntry) int { return b.Time.Compare(a.Time) })
	more = len(l.list) > limit
	return l.list[:min(limit, len(l.list))], more, nil
}

// logReader collects the entries of a log.
type logReader struct {
	ctx   context.Context
	v     *Snapshot
	limit int
	list  []LogEntry
	seen  map[int64]bool // rows of past
}

func (l *logReader) read(path string) error {
	if path == "" {
		return l.below(path, Root)
	}
	d, err := l.v.document(path)
	switch {
	case err == nil:
		return l.document(d)
	case errors.Is(err, ErrIsDir), errors.Is(err, ErrNotFound):
		is, err := l.v.lastStay(path)
		if err != nil {
			return err
		}
		return l.below(path, is.node)
	}
	return err
}

func (l *logReader) document(d documentAt) error {
	err := l.v.revisions(d, func(r revisionRecord) { l.list = append(l.list, LogEntry{What: Saved, Revision: r.Revision}) },
		`ORDER BY number DESC LIMIT ?`, l.limit)
	if err != nil {
		return err
	}
	return l.ended(`document = ? AND document > 0`, d.id)
}

// below is the log of a directory, also of one that is gone.
func (l *logReader) below(path string, root NodeID) error {
	if err := l.saved(path); err != nil {
		return err
	}
	// Every directory that is, or was, below it.
	known := map[NodeID]bool{root: true}
	for queue := []NodeID{root}; len(queue) > 0; queue = queue[1:] {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		if err := l.ended(`parent = ?`, queue[0]); err != nil {
			return err
		}
		err := l.v.conn.query(func(r row) error {
			if id := NodeID(r.int(0)); !known[id] {
				known[id] = true
				queue = append(queue, id)
			}
			return nil
		}, `SELECT node FROM entry WHERE parent = ?1 AND (SELECT mode & 61440 FROM node WHERE id = node) = 16384
			UNION SELECT node FROM past WHERE parent = ?1 AND mode & 61440 = 16384`, queue[0])
		if err != nil {
			return err
		}
	}
	return nil
}

// saved adds the revisions that were made below a directory.
func (l *logReader) saved(path string) error {
	from, to := "", "\xff"
	if path != "" {
		from, to = path+"/", path+"0" // the byte after '/'
	}
	return l.v.conn.query(func(r row) error {
		l.list = append(l.list, LogEntry{What: Saved, Revision: scanRevision(r, 0).Revision})
		return l.ctx.Err()
	}, revisionColumns+`WHERE revision.path >= ? AND (revision.path < ? OR ? = '') ORDER BY revision.id DESC LIMIT ?`,
		[]byte(from), []byte(to), path, l.limit)
}

// endedEntry is a row of past.
type endedEntry struct {
	id        int64
	entry     namedIn
	node      NodeID
	until     uint64
	mode      uint32
	document  int64
	by        Actor
	time      int64
	toMode    uint32
	to        namedIn // where the node went on; parent 0: nowhere
	carriedOn bool    // soon another node was its document at the same place
}

// ended adds what the newest entries of past that match mean to a reader.
func (l *logReader) ended(which string, arg any) error {
	var rows []endedEntry
	err := l.v.conn.query(func(r row) error {
		rows = append(rows, endedEntry{
			id: r.int(0), entry: namedIn{NodeID(r.int(1)), r.text(2)}, node: NodeID(r.int(3)), until: uint64(r.int(4)),
			mode: uint32(r.int(5)), document: r.int(6), by: Actor{Origin: Origin(r.int(7)), Run: r.int(8)}, time: r.int(9),
		})
		return nil
	}, `SELECT id, parent, name, node, until, mode, document, origin, run,
		coalesce((SELECT time FROM moment WHERE seq >= until ORDER BY seq LIMIT 1), 0)
		FROM past WHERE `+which+` ORDER BY until DESC LIMIT ?`, arg, l.limit)
	if err != nil {
		return err
	}
	for _, e := range rows {
		if l.seen[e.id] {
			continue
		}
		l.seen[e.id] = true
		if err := l.follow(&e); err != nil {
			return err
		}
		if err := l.tell(e); err != nil {
			return err
		}
	}
	return nil
}

// follow finds what became of an entry.
func (l *logReader) follow(e *endedEntry) error {
	_, err := l.v.conn.one(func(r row) error {
		e.to, e.toMode = namedIn{NodeID(r.int(0)), r.text(1)}, uint32(r.int(2))
		return nil
	}, `SELECT parent, name, mode, since FROM entry JOIN node ON node.id = entry.node WHERE entry.node = ?1 AND since >= ?2
		UNION ALL SELECT parent, name, mode, since FROM past WHERE node = ?1 AND since >= ?2 ORDER BY since LIMIT 1`, e.node, e.until)
	if err != nil || e.document == 0 {
		return err
	}
	// Saves that remove before they make may have had a commit in between.
	soon := int64(l.v.store.options.Quiet)
	_, err = l.v.conn.one(func(r row) error {
		e.carriedOn = r.int(0) == e.document && (uint64(r.int(1)) == e.until || r.int(2)-e.time <= soon)
		return nil
	}, `SELECT document, since, coalesce((SELECT time FROM moment WHERE seq >= since ORDER BY seq LIMIT 1), 0) FROM (
			SELECT document, since FROM entry JOIN node ON node.id = entry.node WHERE parent = ?1 AND name = ?2 AND since >= ?3
			UNION ALL SELECT document, since FROM past WHERE parent = ?1 AND name = ?2 AND since >= ?3)
		ORDER BY since LIMIT 1`, e.entry.parent, []byte(e.entry.name), e.until)
	return err
}

func (l *logReader) tell(e endedEntry) error {
	path, ok, err := l.v.pathThen(e.entry, e.until-1)
	if err != nil || !ok {
		return err
	}
	entry := LogEntry{What: Deleted, Revision: Revision{
		Path: path, Time: time.Unix(0, e.time), Origin: e.by.Origin, Run: e.by.Run, Mode: e.mode,
	}}
	switch {
	case e.to == e.entry && e.mode != e.toMode:
		entry.What = ModeChanged
	case e.carriedOn:
		return nil // a save that made a new node: its revision tells of it
	case e.to.parent != 0:
		entry.What = Renamed
		if entry.To, ok, err = l.v.pathThen(e.to, e.until); err != nil || !ok {
			return err
		}
	}
	l.list = append(l.list, entry)
	return nil
}

// pathThen is the path that an entry had at a sequence number.
func (v *Snapshot) pathThen(e namedIn, seq uint64) (path string, ok bool, err error) {
	w := &Snapshot{store: v.store, junk: v.junk, conn: v.conn, past: &instant{seq: seq}}
	dir, ok, err := w.dirPath(e.parent, map[NodeID]string{Root: ""}, 0)
	return joined(dir, e.name), ok, err
}

func joined(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// DeletedDocument is a document that is not in the tree any more.
type DeletedDocument struct {
	Document string    `json:"document"` // its UUID
	Path     string    `json:"path"`     // where it was last
	Deleted  time.Time `json:"deleted"`
	Size     int64     `json:"size"` // of its last content
	SHA256   Hash      `json:"sha256"`
	Number   int       `json:"number"` // of its last revision
}

// Deleted lists the documents that were deleted at path or below it, the last
// first.
func (s *Store) Deleted(path string) (list []DeletedDocument, err error) {
	err = s.reading(func(c *conn) error {
		return c.query(func(r row) error {
			list = append(list, DeletedDocument{
				Document: r.text(0), Path: r.text(1), Deleted: time.Unix(0, r.int(2)), Size: r.int(3), SHA256: r.hash(4), Number: int(r.int(5)),
			})
			return nil
		}, `SELECT uuid, document.path, deleted, size, sha256, number FROM document JOIN revision ON revision.id =
				(SELECT id FROM revision WHERE document = document.id AND NOT lost ORDER BY number DESC LIMIT 1)
			WHERE document.path IS NOT NULL AND (?1 = '' OR document.path = ?2 OR document.path >= ?3 AND document.path < ?4)
			ORDER BY deleted DESC, document.path`, path, []byte(path), []byte(path+"/"), []byte(path+"0"))
	})
	return list, err
}
