package materialize

import (
	"errors"
	"fmt"
	"time"

	"spacefs/conflict"
	"spacefs/internal/attributes"
	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// arrivedDir is a directory that was imported.
type arrivedDir struct {
	path  string
	perm  uint32
	mtime int64
	attrs attributes.Set  // extended
	entry *manifest.Entry // nil: no manifest knows it
}

// directory makes a directory, unless it is there.
func (m *importer) directory(d arrivedDir) error {
	to, perm, mtime := d.path, d.perm, d.mtime
	if isReserved(to) {
		return errReserved
	}
	dir, _ := splitPath(to)
	if err := m.ensureDir(dir); err != nil {
		return err
	}
	if _, known := m.made[to]; !known {
		_, err := m.tree.PlaceDir(to, spacedb.Guard{Absent: true}, perm, mtime)
		if errors.Is(err, spacedb.ErrChanged) {
			if err := m.mustBeDir(to); err != nil {
				return err
			}
		} else if err != nil {
			return err
		} else {
			m.note(to, conflict.Mkdir, spacedb.State{}, directoryState(perm, mtime))
			m.fresh[to] = struct{}{}
		}
		m.made[to] = struct{}{}
	}
	m.dirs = append(m.dirs, d)
	return nil
}

func (m *importer) mustBeDir(path string) error {
	a, err := m.tree.Resolve(path)
	if err == nil && !a.IsDir() {
		err = fmt.Errorf("the space has a %s there, not a directory", kindName(a))
	}
	return err
}

// ensureDir makes what is missing of a path.
func (m *importer) ensureDir(path string) error {
	switch {
	case path == "":
		return nil
	case isReserved(path):
		return errReserved
	}
	if _, known := m.made[path]; known {
		return nil
	}
	up, _ := splitPath(path)
	if err := m.ensureDir(up); err != nil {
		return err
	}
	now := time.Now().UnixNano()
	_, err := m.tree.PlaceDir(path, spacedb.Guard{Absent: true}, 0o755, now)
	switch {
	case err == nil:
		m.note(path, conflict.Mkdir, spacedb.State{}, directoryState(0o755, now))
		m.fresh[path] = struct{}{}
	case errors.Is(err, spacedb.ErrChanged):
		err = m.mustBeDir(path)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	m.made[path] = struct{}{}
	return nil
}

// finishDirs gives the directories their modes and times, if they do not have
// them.
func (m *importer) finishDirs() error {
	for i := len(m.dirs) - 1; i >= 0; i-- {
		d := &m.dirs[i]
		a, err := m.tree.Resolve(d.path)
		if err != nil {
			if err := m.failed(d.path, err); err != nil {
				return err
			}
			continue
		}
		var set spacedb.AttrChange
		if a.Perm() != d.perm {
			set.Mode = &d.perm
		}
		if a.Mtime != d.mtime {
			set.Mtime = &d.mtime
		}
		if set.Mode != nil || set.Mtime != nil {
			_, err = m.tree.ChangeAt(d.path, spacedb.Guard{}, set)
		}
		if err == nil && a.Perm()&permMask != d.perm&permMask {
			m.note(d.path, conflict.Chmod, directoryState(a.Perm(), a.Mtime), directoryState(d.perm, d.mtime))
		}
		if err == nil && m.withAttributes {
			err = m.attributeDir(d)
		}
		if err := m.failed(d.path, err); err != nil {
			return err
		}
	}
	return nil
}

func directoryState(perm uint32, mtime int64) spacedb.State {
	return spacedb.State{Mode: spacedb.TypeDir | perm&permMask, Mtime: mtime}
}
