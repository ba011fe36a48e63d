package spacedb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
	"strings"
	"time"
)

// SnapshotAt returns the tree as it was at a moment. It is read like any other
// snapshot; of documents it has those that have a revision, with the content
// of their last one by then. A document that was only just being written has
// its first. Owners and extended attributes have no past.
func (s *Store) SnapshotAt(ctx context.Context, m Moment) (*Snapshot, error) {
	v, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	at, err := v.instant(m)
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	v.past = &at
	return v, nil
}

func (v *Snapshot) instant(m Moment) (instant, error) {
	if m.Path != "" {
		_, r, err := v.openRevision(m.Path, m.Rev)
		if err != nil {
			return instant{}, fmt.Errorf("%s: %w", m, err)
		}
		m = Moment{Time: r.Time}
	}
	return v.conn.instant(m)
}

// pastEntries is a directory (?1) at an instant, with the revision that each
// document held: (?2 seq, ?3 time, ?4 a run to leave out).
const pastEntries = `SELECT was.node, was.name, was.mode, was.mtime, was.document,
		revision.id, revision.size, revision.mtime, revision.sha256, revision.chunks,
		revision.number, CASE WHEN was.document > 0 THEN (SELECT uuid FROM document WHERE document.id = was.document) END
	FROM (
		SELECT node, name, mode, mtime, document FROM entry JOIN node ON node.id = entry.node
			WHERE parent = ?1 AND since <= ?2
		UNION ALL
		SELECT node, name, mode, mtime, document FROM past WHERE parent = ?1 AND until > ?2 AND since <= ?2
	) AS was LEFT JOIN revision ON revision.id = ` + revisionThen + `
	WHERE (was.mode & 61440 = 16384 OR revision.id IS NOT NULL)`

// revisionThen is the revision of document was.document at an instant.
const revisionThen = `coalesce(
		(SELECT id FROM revision WHERE document = was.document AND NOT lost AND time <= ?3 AND run <> ?4 ORDER BY number DESC LIMIT 1),
		(SELECT id FROM revision WHERE document = was.document AND NOT lost ORDER BY number LIMIT 1))`

func (v *Snapshot) listPast(path string, dir NodeID) ([]Item, error) {
	var items []Item
	err := v.conn.query(func(r row) error {
		it, err := v.scanPast(path, r)
		if err == nil && (len(items) == 0 || items[len(items)-1].Path != it.Path) {
			items = append(items, it)
		}
		return err
	}, pastEntries+` ORDER BY was.name`, v.pastArgs(dir)...)
	return items, err
}

func (v *Snapshot) pastArgs(dir NodeID) []any {
	return []any{dir, v.past.seq, v.past.time, v.past.not}
}

// childPast is the entry name of dir then.
func (v *Snapshot) childPast(path string, dir NodeID, name string) (it Item, found bool, err error) {
	found, err = v.conn.one(func(r row) (err error) {
		it, err = v.scanPast(path, r)
		return err
	}, pastEntries+` AND was.name = ?5`, append(v.pastArgs(dir), []byte(name))...)
	return it, found, err
}

func (v *Snapshot) scanPast(dir string, r row) (Item, error) {
	name := r.text(1)
	if err := checkName(name); err != nil {
		return Item{}, damaged("directory %q held a name that cannot be: %q", dir, name)
	}
	path := name
	if dir != "" {
		path = dir + "/" + name
	}
	it := Item{Path: path, Attr: Attr{ID: NodeID(r.int(0)), Mode: uint32(r.int(2)), Nlink: 1, Mtime: r.int(3)}, Junk: v.Junk(path)}
	if mode := it.Attr.Mode; mode&^(TypeMask|PermMask) != 0 || !knownType(mode&TypeMask) {
		return Item{}, damaged("%q had mode %o", path, mode)
	}
	if it.Attr.IsDir() {
		it.Attr.Nlink = 2
		return it, nil
	}
	it.Sealed, it.SHA256 = true, r.hash(8)
	it.Revision, it.ID = int(r.int(10)), r.text(11)
	it.Attr.Size, it.Attr.Mtime = r.int(6), r.int(7)
	if it.Attr.Size < 0 || it.Attr.Size > MaxSize {
		return Item{}, damaged("revision %d has size %d", r.int(5), it.Attr.Size)
	}
	if it.Attr.IsSymlink() {
		target, err := v.openChunks(r.int(5), r.bytes(9), it.Attr.Size)
		if err != nil {
			return Item{}, err
		}
		text, err := io.ReadAll(io.LimitReader(target, MaxTarget))
		if err != nil {
			return Item{}, err
		}
		it.Target = string(text)
	}
	return it, nil
}

// openChunks reads a revision's content.
func (v *Snapshot) openChunks(revision int64, packed []byte, size int64) (io.ReadSeeker, error) {
	chunks, err := unpackChunks(packed)
	if err != nil {
		return nil, fmt.Errorf("revision %d: %w", revision, err)
	}
	return &contentReader{conn: v.conn, chunks: chunks, size: size}, nil
}

// openPast reads what a node held then.
func (v *Snapshot) openPast(id NodeID) (io.ReadSeeker, error) {
	var content io.ReadSeeker
	found, err := v.conn.one(func(r row) (err error) {
		content, err = v.openChunks(r.int(0), r.bytes(1), r.int(2))
		return err
	}, `SELECT revision.id, revision.chunks, revision.size FROM (
			SELECT document FROM past WHERE node = ?1 AND until > ?2 AND since <= ?2
			UNION ALL
			SELECT document FROM entry JOIN node ON node.id = entry.node WHERE entry.node = ?1 AND since <= ?2
		) AS was JOIN revision ON revision.id = `+revisionThen+` LIMIT 1`, v.pastArgs(id)...)
	if err == nil && !found {
		err = ErrNotFound
	}
	return content, err
}

// SnapshotOfLast returns the tree as it was when something was at path for the
// last time: of a directory, before the deletion that ended it began.
// ErrNotFound when there never was anything.
func (s *Store) SnapshotOfLast(ctx context.Context, path string) (*Snapshot, error) {
	v, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	at, err := v.lastThere(path)
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	v.past = &at
	return v, nil
}

// stay is how long something was at a path.
type stay struct {
	node         NodeID
	since, until uint64 // until: not any more
}

const forEver = 1 << 62

// lastStay is the last time that something was at a path.
func (v *Snapshot) lastStay(path string) (stay, error) {
	stays := []stay{{Root, 0, forEver}}
	for rest := path; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		var next []stay
		for _, in := range stays {
			found, err := v.staysIn(in, name)
			if err != nil {
				return stay{}, err
			}
			next = append(next, found...)
		}
		if stays = next; len(stays) == 0 {
			return stay{}, ErrNotFound
		}
	}
	return slices.MaxFunc(stays, func(a, b stay) int { return cmp.Compare(a.until, b.until) }), nil
}

func (v *Snapshot) lastThere(path string) (instant, error) {
	last, err := v.lastStay(path)
	if err != nil {
		return instant{}, err
	}
	at := instant{time: math.MaxInt64, not: noRun}
	_, err = v.conn.one(func(r row) error { at.time = r.int(0); return nil },
		`SELECT time FROM moment WHERE seq >= ? ORDER BY seq LIMIT 1`, last.until)
	if err != nil {
		return instant{}, err
	}
	began, err := v.deletionBegan(last, at.time)
	at.seq = began - 1
	return at, err
}

// deletionApart is how long a program that deletes a tree may stop between two
// of its paths.
const deletionApart = 10 * time.Second

// deletionBegan is where the deletion of a tree began, which goes from its
// leaves to its root, at a time that is given.
func (v *Snapshot) deletionBegan(tree stay, ended int64) (uint64, error) {
	type removal struct {
		seq  uint64
		time int64
	}
	var removals []removal
	known := map[NodeID]bool{tree.node: true}
	for queue := []NodeID{tree.node}; len(queue) > 0; queue = queue[1:] {
		err := v.conn.query(func(r row) error {
			if id := NodeID(r.int(0)); uint32(r.int(1))&TypeMask == TypeDir && !known[id] {
				known[id] = true
				queue = append(queue, id)
			}
			removals = append(removals, removal{uint64(r.int(2)), r.int(3)})
			return nil
		}, `SELECT node, mode, until, coalesce((SELECT time FROM moment WHERE seq >= until ORDER BY seq LIMIT 1), 0) FROM past AS was
			WHERE parent = ?1 AND until BETWEEN ?2 AND ?3
			AND NOT EXISTS (SELECT 1 FROM past WHERE node = was.node AND since >= was.until)
			AND NOT EXISTS (SELECT 1 FROM entry WHERE node = was.node)`, queue[0], tree.since, tree.until)
		if err != nil {
			return 0, err
		}
	}
	began := removal{tree.until, ended}
	slices.SortFunc(removals, func(a, b removal) int { return cmp.Compare(b.seq, a.seq) })
	for _, r := range removals {
		if began.time-r.time > int64(deletionApart) {
			break
		}
		began = r
	}
	return began.seq, nil
}

// staysIn finds what was called name in a directory while that was where it was.
func (v *Snapshot) staysIn(dir stay, name string) (found []stay, err error) {
	err = v.conn.query(func(r row) error {
		is := stay{NodeID(r.int(0)), max(uint64(r.int(1)), dir.since), min(uint64(r.int(2)), dir.until)}
		if is.since < is.until {
			found = append(found, is)
		}
		return nil
	}, `SELECT node, since, ?3 FROM entry WHERE parent = ?1 AND name = ?2
		UNION ALL SELECT node, since, until FROM past WHERE parent = ?1 AND name = ?2`, dir.node, []byte(name), forEver)
	return found, err
}

// EndedBy lists the paths, sorted, whose entries a run ended: what it deleted,
// replaced, renamed or gave another mode. It is for the snapshot of the moment
// before that run.
func (v *Snapshot) EndedBy(run int64) (paths []string, err error) {
	var ended []namedIn
	err = v.conn.query(func(r row) error {
		ended = append(ended, namedIn{NodeID(r.int(0)), r.text(1)})
		return nil
	}, `SELECT parent, name FROM past WHERE run = ?1 AND run > 0 AND since <= ?2 AND until > ?2`, run, v.past.seq)
	if err != nil {
		return nil, err
	}
	dirs := map[NodeID]string{Root: ""}
	for _, e := range ended {
		dir, ok, err := v.dirPath(e.parent, dirs, 0)
		if err != nil {
			return nil, err
		}
		if ok {
			paths = append(paths, joined(dir, e.name))
		}
	}
	sort.Strings(paths)
	return slices.Compact(paths), nil
}
