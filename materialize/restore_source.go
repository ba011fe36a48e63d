package materialize

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"spacefs/spacedb"
)

// source is what comes back: items with their content, parents first.
type source struct {
	from  string
	walk  func(fn func(spacedb.Item) error) error
	open  func(spacedb.Item) (io.Reader, error)
	close func() error
}

// source finds what the options mean.
func (x *restorer) source() (*source, error) {
	o := x.options
	switch {
	case o.Run != 0:
		return x.endedBy(o.Run)
	case o.Rev != "":
		return x.revision(o.Path, o.Rev)
	}
	var v *spacedb.Snapshot
	var err error
	from := o.At.String()
	if o.At == (spacedb.Moment{}) {
		if _, err := x.store.Tree(spacedb.Actor{}).Resolve(o.Path); err == nil {
			return nil, fmt.Errorf("%s is there; say what to restore: a revision (PATH@REV) or a moment (--at WHEN)", orAll(o.Path))
		}
		from = "when it was last there"
		v, err = x.store.SnapshotOfLast(x.ctx, o.Path)
	} else {
		v, err = x.store.SnapshotAt(x.ctx, o.At)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", orAll(o.Path), err)
	}
	src := treeSource(v, from)
	src.walk = func(fn func(spacedb.Item) error) error {
		if o.Path == "" {
			return v.Walk(x.ctx, "", fn)
		}
		it, err := v.Item(o.Path)
		if err != nil {
			return fmt.Errorf("%s was not there then: %w", o.Path, err)
		}
		if err := fn(it); err != nil || !it.Attr.IsDir() {
			return notSkip(err)
		}
		return v.Walk(x.ctx, o.Path, fn)
	}
	return src, nil
}

func notSkip(err error) error {
	if errors.Is(err, fs.SkipDir) {
		return nil
	}
	return err
}

func orAll(path string) string {
	if path == "" {
		return "the space"
	}
	return path
}

func treeSource(v *spacedb.Snapshot, from string) *source {
	return &source{
		from:  from,
		open:  func(it spacedb.Item) (io.Reader, error) { return v.Open(it.Attr.ID) },
		close: v.Close,
	}
}

// endedBy is everything that a run took away, as it was before the run.
func (x *restorer) endedBy(run int64) (*source, error) {
	v, err := x.store.SnapshotAt(x.ctx, spacedb.Moment{Before: run})
	if err != nil {
		return nil, err
	}
	paths, err := v.EndedBy(run)
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	src := treeSource(v, fmt.Sprintf("before run %d", run))
	src.walk = func(fn func(spacedb.Item) error) error {
		for _, p := range paths {
			it, err := v.Item(p)
			if errors.Is(err, spacedb.ErrNotFound) { // it never had a revision
				continue
			}
			if err == nil {
				err = notSkip(fn(it))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return src, nil
}

// revision is one revision of one document.
func (x *restorer) revision(p, rev string) (*source, error) {
	content, r, err := x.store.OpenRevision(p, rev)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	it := spacedb.Item{
		Path: p, Sealed: true, SHA256: r.SHA256,
		Attr: spacedb.Attr{Mode: r.Mode, Size: r.Size, Mtime: r.Mtime.UnixNano()},
	}
	if it.Attr.IsSymlink() {
		target, err := io.ReadAll(content)
		if err != nil {
			return nil, errors.Join(err, content.Close())
		}
		it.Target = string(target)
	}
	return &source{
		from:  fmt.Sprintf("revision %d", r.Number),
		walk:  func(fn func(spacedb.Item) error) error { return notSkip(fn(it)) },
		open:  func(spacedb.Item) (io.Reader, error) { return content, nil },
		close: content.Close,
	}, nil
}
