package materialize

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// barrier makes everything since the last one durable and then moves the bases.
func (x *executor) barrier() error {
	x.gather()
	x.reach.letGo()
	few := len(x.staged) <= fewFiles
	x.syncStaged(few)
	x.placeFresh()
	x.place()
	if err := x.syncDirs(few); err != nil {
		return fmt.Errorf("the mirror cannot be made durable: %w", err)
	}
	x.reach.letGo()
	err := x.advance()
	clear(x.fresh)
	clear(x.staged)
	x.staged, x.bytes, x.done = x.staged[:0], 0, x.done[:0]
	clear(x.dirs)
	clear(x.written)
	clear(x.renamed)
	return err
}

// syncStaged makes the contents durable.
func (x *executor) syncStaged(few bool) {
	if few {
		for _, st := range x.staged {
			st.err = x.disk.syncFile(st.temp)
		}
		return
	}
	err := x.disk.syncAll()
	for _, st := range x.staged {
		st.err = err
	}
	for _, f := range x.fresh {
		f.err = err
	}
}

func (x *executor) syncDirs(few bool) error {
	if len(x.dirs) == 0 {
		return nil
	}
	if !few || len(x.dirs) > fewFiles {
		return x.disk.syncAll()
	}
	for dir := range x.dirs {
		err := x.disk.syncFile(orDot(dir))
		// A directory that went meanwhile is its parent's matter, which is here too.
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return err
		}
	}
	return nil
}

func orDot(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
}
