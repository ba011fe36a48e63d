package spacedb

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
)

// Walk visits everything below root, parents before children, siblings in byte
// order. A directory's subtree is skipped when fn returns fs.SkipDir for it.
func (v *Snapshot) Walk(ctx context.Context, root string, fn func(Item) error) error {
	return v.walkFrom(ctx, root, itemQuery, fn)
}

// WalkContents is Walk for who does not ask which documents they are: ID and
// Revision are empty, and need not be looked up.
func (v *Snapshot) WalkContents(ctx context.Context, root string, fn func(Item) error) error {
	return v.walkFrom(ctx, root, contentQuery, fn)
}

func (v *Snapshot) walkFrom(ctx context.Context, root, query string, fn func(Item) error) error {
	id := Root
	if root != "" {
		it, err := v.Item(root)
		if err != nil {
			return err
		}
		id = it.Attr.ID
	}
	return v.walk(ctx, query, root, id, 0, fn)
}

func (v *Snapshot) walk(ctx context.Context, query, path string, dir NodeID, depth int, fn func(Item) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth > maxDepth {
		return damaged("directory %d is inside itself", dir)
	}
	items, err := v.list(query, path, dir)
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
			if err := v.walk(ctx, query, it.Path, it.Attr.ID, depth+1, fn); err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	itemQuery    = itemColumns + itemIdentity + itemTables
	contentQuery = itemColumns + `, NULL, NULL` + itemTables

	itemColumns = `SELECT ` + nodeColumns + `, entry.name,
		CASE WHEN node.mode & 61440 = 40960 THEN (SELECT data FROM chunk WHERE chunk.id = node.chunk) END`
	itemIdentity = `,
		CASE WHEN node.document > 0 THEN (SELECT uuid FROM document WHERE document.id = node.document) END,
		CASE WHEN node.revision > 0 THEN (SELECT number FROM revision WHERE revision.id = node.revision) END`
	itemTables = `
	FROM entry JOIN node ON node.id = entry.node WHERE entry.parent = +?`
)

func (v *Snapshot) list(query, path string, dir NodeID) ([]Item, error) {
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
	}, query+` ORDER BY entry.name`, dir)
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
	it := Item{Path: path, Attr: n.attr(), Sealed: n.sealed && n.holdsContent(), Target: r.text(21), Junk: v.Junk(path), ID: r.text(22), HasXattrs: n.xattrs > 0, chunk: n.chunk}
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
