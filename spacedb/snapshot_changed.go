package spacedb

import (
	"sort"
	"strings"
)

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
