package materialize

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"spacefs/spacedb"
)

// ExportOptions of Export.
type ExportOptions struct{ Reporter Reporter }

// ExportResult is what an export wrote.
type ExportResult struct {
	Documents   int         `json:"documents"`
	Directories int         `json:"directories"`
	Symlinks    int         `json:"symlinks"`
	Bytes       int64       `json:"bytes"`
	Notices     []string    `json:"notices,omitempty"`
	Failed      []PathError `json:"failed,omitempty"`
}

// Export writes the tree as it is at one moment into dir, which must be missing
// or empty. A new dir appears only when it is complete and durable.
func Export(ctx context.Context, store *spacedb.Store, dir string, o ExportOptions) (ExportResult, error) {
	if o.Reporter == nil {
		o.Reporter = silent{}
	}
	start := time.Now()
	o.Reporter.Tell(Event{Event: Started, Kind: "export", Space: store.File(), Directory: dir, Total: int(store.Usage().Nodes)})
	x := &exporter{report: o.Reporter}
	err := x.exportTo(ctx, store, dir)
	r := x.result
	conclude(o.Reporter, Event{
		Kind: "export", Directory: dir, Outcome: outcomeOf(err, len(r.Failed), 0), Millis: time.Since(start).Milliseconds(),
		Counts: map[string]int64{
			"documents": int64(r.Documents), "directories": int64(r.Directories), "symlinks": int64(r.Symlinks), "bytes": r.Bytes,
			"failed": int64(len(r.Failed)),
		},
	}, err, r.Failed, r.Notices)
	return r, err
}

// exportTo checks the target and makes what is missing.
func (x *exporter) exportTo(ctx context.Context, store *spacedb.Store, dir string) error {
	entries, err := os.ReadDir(dir)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty: export to a new directory, or keep it in step with sync", dir)
	}
	target := dir
	if missing {
		target = dir + ".spacefs-new"
		if err := os.RemoveAll(target); err != nil {
			return err
		}
		if err := os.Mkdir(target, 0o755); err != nil {
			return err
		}
		defer os.RemoveAll(target) // gone by then, if all went well
	}
	if err := x.export(ctx, store, target); err != nil {
		return err
	}
	if missing {
		if err := os.Rename(target, dir); err != nil {
			return err
		}
		return syncDirectory(filepath.Dir(dir))
	}
	return nil
}

type exporter struct {
	report Reporter
	root   *os.Root
	disk   rootDisk
	result ExportResult
	dirs   []spacedb.Item // modes and times are set last
}

func (x *exporter) export(ctx context.Context, store *spacedb.Store, dir string) error {
	var err error
	if x.root, err = os.OpenRoot(dir); err != nil {
		return err
	}
	defer x.root.Close()
	x.disk = rootDisk{x.root}
	v, err := store.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	x.report.Tell(Event{Event: Progress, Phase: "export", Total: int(store.Usage().Nodes)})
	err = v.Walk(ctx, "", func(it spacedb.Item) error {
		x.report.Step()
		if it.Junk {
			return skip(it.Attr)
		}
		if err := x.item(v, it); err != nil {
			if errors.Is(err, spacedb.ErrDamaged) {
				return err
			}
			x.result.Failed = append(x.result.Failed, PathError{it.Path, cause(err)})
			return skip(it.Attr)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := len(x.dirs) - 1; i >= 0; i-- { // children first: they change their parents
		if err := x.finishDir(x.dirs[i]); err != nil {
			x.result.Failed = append(x.result.Failed, PathError{x.dirs[i].Path, cause(err)})
		}
	}
	return x.disk.syncAll()
}

func (x *exporter) item(v *spacedb.Snapshot, it spacedb.Item) error {
	a := it.Attr
	switch {
	case a.IsDir():
		x.result.Directories++
		x.dirs = append(x.dirs, it)
		return x.root.Mkdir(it.Path, 0o700)
	case a.IsSymlink():
		x.result.Symlinks++
		if err := x.root.Symlink(it.Target, it.Path); err != nil {
			return err
		}
		return x.setTime(it)
	case a.IsRegular():
		content, err := v.Open(a.ID)
		if err != nil {
			return err
		}
		x.result.Documents++
		x.result.Bytes += a.Size
		return x.file(it, content)
	}
	x.result.Notices = append(x.result.Notices, it.Path+": skipped, special file")
	return nil
}

func (x *exporter) file(it spacedb.Item, content io.Reader) error {
	f, err := x.root.OpenFile(it.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Chmod(spacedb.FileMode(it.Attr.Mode))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return x.setTime(it)
}

func (x *exporter) setTime(it spacedb.Item) error {
	return x.disk.withDir(it.Path, func(dir *os.File, name string) error { return setTime(dir, name, it.Attr.Mtime) })
}

func (x *exporter) finishDir(it spacedb.Item) error {
	mode := spacedb.FileMode(it.Attr.Mode) &^ fs.ModeDir
	if err := x.root.Chmod(it.Path, mode); err != nil {
		return err
	}
	return x.setTime(it)
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
