package materialize

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"spacefs/materialize/manifest"
)

// exportNew makes a directory that appears only when it is complete.
func (x *exporter) exportNew() error {
	staged := x.dir + ".spacefs-new"
	if err := os.RemoveAll(staged); err != nil {
		return x.nothingDone(err)
	}
	if err := os.Mkdir(staged, 0o755); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: there is no directory %s that it could be made in", x.dir, filepath.Dir(x.dir))
	} else if err != nil {
		return x.nothingDone(err)
	}
	defer os.RemoveAll(staged) // gone by then, if all went well
	if err := x.writeTree(staged); err != nil {
		return err
	}
	if err := os.Rename(staged, x.dir); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(x.dir))
}

// exportInto fills a directory that is there already: the tree is complete and
// durable before the first name appears in it, and the manifest is the last. Its
// place is taken before, by the next one: so an export that is interrupted here
// is brought to its end by an incremental one.
func (x *exporter) exportInto() error {
	if err := x.root.RemoveAll(stagedDir); err != nil {
		return x.nothingDone(err)
	}
	if err := x.root.Mkdir(stagedDir, 0o700); err != nil {
		return x.nothingDone(err)
	}
	defer x.root.RemoveAll(stagedDir)
	if err := x.writeTree(filepath.Join(x.dir, stagedDir)); err != nil {
		return err
	}
	names, err := fs.ReadDir(x.root.FS(), stagedDir)
	if err != nil {
		return err
	}
	if err := x.root.Rename(stagedDir+"/"+manifest.Name, nextManifest); err != nil {
		return err
	}
	for _, e := range names {
		if e.Name() == manifest.Name {
			continue
		}
		if err := x.root.Rename(stagedDir+"/"+e.Name(), e.Name()); err != nil {
			return err
		}
	}
	return x.publish()
}

// dryRunNew tells what a new export would write.
func (x *exporter) dryRunNew() error {
	plan, err := x.plan()
	if err != nil {
		return err
	}
	for i := range plan.entries {
		if e := &plan.entries[i]; e.Name != "" {
			x.tell(exportOp(e), e.Name, "new")
			x.count(e)
		}
	}
	return nil
}

// publish makes the next manifest the manifest, after everything it names.
func (x *exporter) publish() error {
	if err := syncDirectory(x.dir); err != nil {
		return err
	}
	if err := x.root.Rename(nextManifest, manifest.Name); err != nil {
		return err
	}
	return syncDirectory(x.dir)
}

// nothingDone says so of an export that ended before a name came to its place.
func (x *exporter) nothingDone(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) && err == error(at) {
		err = at.Err // the path is one of ours
	}
	return fmt.Errorf("%s: nothing was exported: %w", x.dir, err)
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
