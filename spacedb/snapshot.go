package spacedb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"
	"strings"
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
}

// Snapshot makes everything durable and returns the tree as it is then.
func (s *Store) Snapshot(ctx context.Context) (*Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.Sync(); err != nil {
		return nil, err
	}
	c, err := s.readers.get()
	if err != nil {
		return nil, err
	}
	v := &Snapshot{store: s, conn: c, junk: s.junk.Load()}
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

// Walk visits everything below root, parents before children, siblings in byte
// order. A directory's subtree is skipped when fn returns fs.SkipDir for it.
func (v *Snapshot) Walk(ctx context.Context, root string, fn func(Item) error) error {
	id := Root
	if root != "" {
		it, err := v.Item(root)
		if err != nil {
			return err
		}
		id = it.Attr.ID
	}
	return v.walk(ctx, root, id, 0, fn)
}

func (v *Snapshot) walk(ctx context.Context, path string, dir NodeID, depth int, fn func(Item) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth > maxDepth {
		return damaged("directory %d is inside itself", dir)
	}
	items, err := v.list(path, dir)
	if err != nil {
		return err
	}
	for _, it := range items {
		err := fn(it)
		if err == fs.SkipDir && it.Attr.IsDir() {
			continue
		}
		if err != nil {
			return err
		}
		if it.Attr.IsDir() {
			if err := v.walk(ctx, it.Path, it.Attr.ID, depth+1, fn); err != nil {
				return err
			}
		}
	}
	return nil
}

const itemQuery = `SELECT ` + nodeColumns + `, entry.name,
		CASE WHEN node.mode & 61440 = 40960 THEN (SELECT data FROM chunk WHERE chunk.id = node.chunk) END,
		CASE WHEN node.document > 0 THEN (SELECT uuid FROM document WHERE document.id = node.document) END,
		CASE WHEN node.revision > 0 THEN (SELECT number FROM revision WHERE revision.id = node.revision) END
	FROM entry JOIN node ON node.id = entry.node WHERE entry.parent = +?`

func (v *Snapshot) list(path string, dir NodeID) ([]Item, error) {
	if v.past != nil {
		return v.listPast(path, dir)
	}
	var items []Item
	err := v.conn.query(func(r row) error {
		it, err := v.scanItem(path, r)
		if err == nil {
			items = append(items, it)
		}
		return err
	}, itemQuery+` ORDER BY entry.name`, dir)
	return items, err
}

func (v *Snapshot) scanItem(dir string, r row) (Item, error) {
	n, err := scanNode(r)
	if err != nil {
		return Item{}, err
	}
	name := r.text(20)
	if err := checkName(name); err != nil {
		return Item{}, damaged("directory %q holds a name that cannot be: %q", dir, name)
	}
	path := name
	if dir != "" {
		path = dir + "/" + name
	}
	it := Item{Path: path, Attr: n.attr(), Sealed: n.sealed && n.holdsContent(), Target: r.text(21), Junk: v.Junk(path), ID: r.text(22), chunk: n.chunk}
	if it.Sealed {
		it.Revision = int(r.int(23))
		it.SHA256 = n.sha256
	}
	return it, nil
}

// Item returns what is at path, which is not the root.
func (v *Snapshot) Item(path string) (Item, error) {
	dir, at := Root, ""
	for rest := path; ; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		it, found, err := v.child(at, dir, name)
		switch {
		case err != nil:
			return Item{}, err
		case !found:
			return Item{}, ErrNotFound
		case rest == "":
			return it, nil
		case !it.Attr.IsDir():
			return Item{}, ErrNotDir
		}
		dir, at = it.Attr.ID, it.Path
	}
}

// child is the entry name of dir, whose path is at.
func (v *Snapshot) child(at string, dir NodeID, name string) (it Item, found bool, err error) {
	if v.past != nil {
		return v.childPast(at, dir, name)
	}
	found, err = v.conn.one(func(r row) (err error) {
		it, err = v.scanItem(at, r)
		return err
	}, itemQuery+` AND entry.name = ?`, dir, []byte(name))
	return it, found, err
}

// Named returns the documents of one name, wherever they are. It is quick for the
// name that has an index of its own.
func (v *Snapshot) Named(name string) (items []Item, err error) {
	var dirs []NodeID
	err = v.conn.query(func(r row) error {
		dirs = append(dirs, NodeID(r.int(0)))
		return nil
	}, fmt.Sprintf(`SELECT parent FROM entry WHERE name = x'%x'`, name))
	if err != nil {
		return nil, err
	}
	known := map[NodeID]string{Root: ""}
	for _, dir := range dirs {
		at, ok, err := v.dirPath(dir, known, 0)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		it, err := v.Item(strings.TrimPrefix(at+"/"+name, "/"))
		if err != nil {
			return nil, err
		}
		if it.Attr.IsRegular() {
			items = append(items, it)
		}
	}
	return items, nil
}

// Changed lists the paths, sorted and distinct, that may differ from what they
// were at sequence number since. A directory among them stands for everything
// below it. complete is false when the journal does not reach back so far.
func (v *Snapshot) Changed(since uint64) (paths []string, complete bool, err error) {
	if since == 0 {
		return nil, false, nil
	}
	type event struct {
		node, parent NodeID
		name         string
	}
	events := map[event]struct{}{}
	err = v.conn.query(func(r row) error {
		e := event{node: NodeID(r.int(0)), parent: NodeID(r.int(1)), name: r.text(2)}
		if e.parent != 0 {
			e.node = 0 // the path is what counts
		}
		events[e] = struct{}{}
		return nil
	}, `SELECT node, parent, name FROM journal WHERE seq > ?`, since)
	if err != nil {
		return nil, false, err
	}
	changed := map[string]struct{}{}
	dirs := map[NodeID]string{Root: ""}
	for e := range events {
		if e.parent == 0 {
			found, err := v.paths(e.node, dirs)
			if err != nil {
				return nil, false, err
			}
			for _, p := range found {
				changed[p] = struct{}{}
			}
			continue
		}
		dir, ok, err := v.dirPath(e.parent, dirs, 0)
		if err != nil {
			return nil, false, err
		}
		if ok { // otherwise the directory is gone, and its own entry says so
			changed[strings.TrimPrefix(dir+"/"+e.name, "/")] = struct{}{}
		}
	}
	for p := range changed {
		paths = append(paths, p)
	}
	sort.Strings(paths)
	return paths, true, nil
}

type namedIn struct {
	parent NodeID
	name   string
}

func (v *Snapshot) entriesOf(n NodeID) ([]namedIn, error) {
	var in []namedIn
	query, args := `SELECT parent, name FROM entry WHERE node = ?`, []any{n}
	if v.past != nil {
		query = `SELECT parent, name FROM entry WHERE node = ?1 AND since <= ?2
			UNION ALL SELECT parent, name FROM past WHERE node = ?1 AND until > ?2 AND since <= ?2`
		args = append(args, v.past.seq)
	}
	err := v.conn.query(func(r row) error {
		in = append(in, namedIn{NodeID(r.int(0)), r.text(1)})
		return nil
	}, query, args...)
	return in, err
}

// paths returns every path of a node.
func (v *Snapshot) paths(n NodeID, dirs map[NodeID]string) ([]string, error) {
	if n == Root {
		return nil, nil
	}
	in, err := v.entriesOf(n)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range in {
		dir, ok, err := v.dirPath(e.parent, dirs, 0)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, strings.TrimPrefix(dir+"/"+e.name, "/"))
		}
	}
	return found, nil
}

// dirPath returns a directory's path; ok is false when it is not in the tree.
func (v *Snapshot) dirPath(dir NodeID, known map[NodeID]string, depth int) (path string, ok bool, err error) {
	if p, have := known[dir]; have {
		return p, true, nil
	}
	if depth > maxDepth {
		return "", false, damaged("directory %d is inside itself", dir)
	}
	in, err := v.entriesOf(dir)
	if err != nil || len(in) == 0 {
		return "", false, err
	}
	up, ok, err := v.dirPath(in[0].parent, known, depth+1)
	if err != nil || !ok {
		return "", false, err
	}
	path = strings.TrimPrefix(up+"/"+in[0].name, "/")
	known[dir] = path
	return path, true, nil
}

// ContentRef is where the content of an item is; small, for who remembers many.
type ContentRef struct {
	node  NodeID
	chunk int64
	size  int64
}

// Ref is where the content of a document is.
func (it Item) Ref() ContentRef { return ContentRef{it.Attr.ID, it.chunk, it.Attr.Size} }

// Content reads what an item of this snapshot holds: as Open does, and quicker
// when it is small.
func (v *Snapshot) Content(ref ContentRef) (io.ReadSeeker, error) {
	if v.past != nil || ref.size > chunkSize {
		return v.Open(ref.node)
	}
	chunks := map[int64]int64{}
	if ref.chunk != 0 {
		chunks[0] = ref.chunk
	}
	return &contentReader{conn: v.conn, chunks: chunks, size: ref.size}, nil
}

// Unchanged says that the tree is as it was at sequence number since. False
// also means that the journal does not reach back so far: it is trimmed from
// its beginning, so if it still has something as old as since, nothing newer
// is missing.
func (v *Snapshot) Unchanged(since uint64) (bool, error) {
	if v.past != nil || since == 0 {
		return false, nil
	}
	same := false
	_, err := v.conn.one(func(r row) error { same = r.int(0) == 1; return nil },
		`SELECT EXISTS (SELECT 1 FROM journal WHERE seq <= ?1) AND NOT EXISTS (SELECT 1 FROM journal WHERE seq > ?1)`, since)
	return same, err
}

// Open reads the content of a document of this snapshot; it is valid until the
// snapshot closes.
func (v *Snapshot) Open(id NodeID) (io.ReadSeeker, error) {
	if v.past != nil {
		return v.openPast(id)
	}
	var n *node
	found, err := v.conn.one(func(r row) (err error) {
		n, err = scanNode(r)
		return err
	}, `SELECT `+nodeColumns+` FROM node WHERE id = ?`, id)
	if err == nil && !found {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	chunks := map[int64]int64{}
	if n.chunk != 0 {
		chunks[0] = n.chunk
	}
	if n.size > chunkSize {
		err = v.conn.query(func(r row) error {
			chunks[r.int(0)] = r.int(1)
			return nil
		}, `SELECT idx, chunk FROM extent WHERE node = ?`, id)
	}
	if err != nil {
		return nil, err
	}
	r := &contentReader{conn: v.conn, chunks: chunks, size: n.size}
	if n.size > chunkSize { // as the extents: the first chunk may be a hole
		r.patches = map[int64][]patch{}
		err = v.conn.loadPatches(id, func(p patch) {
			if chunks[p.idx] == p.chunk {
				r.patches[p.idx] = append(r.patches[p.idx], p)
			}
		})
	}
	return r, err
}

// contentReader reads chunks from a connection.
type contentReader struct {
	conn    *conn
	chunks  map[int64]int64
	patches map[int64][]patch
	size    int64
	off     int64
}

func (r *contentReader) Read(p []byte) (int, error) {
	if r.off >= r.size {
		return 0, io.EOF
	}
	idx, from := r.off/chunkSize, r.off%chunkSize
	p = p[:min(int64(len(p)), chunkSize-from, r.size-r.off)]
	if id := r.chunks[idx]; id == 0 {
		clear(p)
	} else if err := r.conn.readChunk(id, func(data []byte) { copyZeroed(p, data, from) }); err != nil {
		return 0, err
	} else if err := r.conn.overlay(p, from, r.patches[idx]); err != nil {
		return 0, err
	}
	r.off += int64(len(p))
	return len(p), nil
}

func (r *contentReader) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += r.off
	case io.SeekEnd:
		off += r.size
	}
	if off < 0 {
		return 0, fmt.Errorf("seek to %d: %w", off, ErrInvalid)
	}
	r.off = off
	return off, nil
}
