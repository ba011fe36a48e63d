package materialize

import (
	"errors"
	"fmt"
	"io"

	"spacefs/conflict"
	"spacefs/internal/attributes"
	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// arrival is a document on its way into the space.
type arrival struct {
	from  string // its name where it comes from
	path  string // in the space
	stat  stamp
	entry *manifest.Entry // nil: no manifest knows it
	sum   spacedb.Hash
	data  []byte         // of a small one
	attrs attributes.Set // extended, if they are asked for
}

// attributes are the mode and time that an arrival gets: those of the manifest
// where it is untouched, because copying an export may have lost them.
func (a *arrival) attributes() (perm uint32, mtime int64, id string) {
	if a.entry == nil {
		return a.stat.perm(), a.stat.mtime, ""
	}
	if a.entry.SHA256 == a.sum {
		return a.entry.Mode, a.entry.Mtime, a.entry.ID
	}
	return a.stat.perm(), a.stat.mtime, a.entry.ID
}

// placeSmall brings documents of one directory in.
func (m *importer) placeSmall(list []*arrival) error {
	byDir := map[string][]spacedb.NewFile{}
	of := map[string][]waitingArrival{}
	var order []string
	for _, a := range list {
		f, err := m.judge(a)
		if err := m.failed(a.from, err); err != nil {
			return err
		}
		if !f.arrives {
			if err := m.failed(a.from, m.attributeUnchanged(a, f)); err != nil {
				return err
			}
			continue
		}
		dir, name := splitPath(f.path)
		if err := m.ensureDir(dir); err != nil {
			if err := m.failed(a.from, err); err != nil {
				return err
			}
			continue
		}
		perm, mtime, id := a.attributes()
		if _, known := byDir[dir]; !known {
			order = append(order, dir)
		}
		byDir[dir] = append(byDir[dir], spacedb.NewFile{Name: name, Expect: f.expect, Content: a.data, SHA256: a.sum, Perm: perm, Mtime: mtime, ID: id})
		of[dir] = append(of[dir], waitingArrival{a, f})
	}
	for _, dir := range order {
		for i, p := range m.tree.PlaceFiles(dir, byDir[dir]) {
			w := of[dir][i]
			if err := m.placed(w.arrival, w.fate, p); err != nil {
				return err
			}
		}
	}
	return nil
}

type waitingArrival struct {
	*arrival
	fate fate
}

// placeLarge copies one that is not worth holding in memory, and whose hash is
// known from reading it before.
func (m *importer) placeLarge(a *arrival, content io.Reader) error {
	f, err := m.judge(a)
	if err != nil || !f.arrives {
		return errors.Join(err, m.attributeUnchanged(a, f))
	}
	dir, _ := splitPath(f.path)
	if err := m.ensureDir(dir); err != nil {
		return err
	}
	staged := m.tree.Stage()
	defer staged.Discard()
	if _, err := io.Copy(staged, content); err != nil {
		return err
	}
	if staged.SHA256() != a.sum {
		return errMoved
	}
	return m.place(a, f, staged)
}

func (m *importer) place(a *arrival, f fate, staged *spacedb.Staged) error {
	perm, mtime, id := a.attributes()
	staged.SetID(id)
	at, err := m.tree.Place(f.path, f.expect, staged, perm, mtime)
	return m.placed(a, f, spacedb.Placed{Attr: at, Err: err, OtherID: staged.OtherID()})
}

// placed counts and tells what became of a document.
func (m *importer) placed(a *arrival, f fate, p spacedb.Placed) error {
	after := spacedb.State{Mode: spacedb.TypeRegular | p.Attr.Perm()&permMask, SHA256: a.sum, Mtime: p.Attr.Mtime}
	err := error(nil)
	if p.Err == nil {
		err = m.attributeArrival(a, &f, &after, p.Attr)
	}
	if cameErr := m.came(a.from, f, conflict.Write, after, p); cameErr != nil {
		return cameErr
	}
	return m.failed(a.from, err)
}

func (m *importer) came(from string, f fate, op conflict.Op, after spacedb.State, p spacedb.Placed) error {
	if p.Err != nil {
		return m.failed(from, p.Err)
	}
	if p.OtherID {
		m.notice("%s: its id is taken in this space; it has another", f.path)
	}
	m.result.Imported++
	if p.Attr.IsRegular() {
		m.result.Bytes += p.Attr.Size
	}
	m.note(f.path, op, f.before, after)
	return nil
}

// symlink brings a symlink in.
func (m *importer) symlink(from, path, target string, mtime int64, e *manifest.Entry) error {
	if isReserved(path) {
		return errReserved
	}
	id := ""
	if e != nil && e.Kind == manifest.Symlink {
		id = e.ID
		if e.Target == target {
			mtime = e.Mtime
		} else {
			m.result.Edited++
		}
	}
	f := fate{path: path, expect: spacedb.Guard{Absent: true}, arrives: true}
	have, err := m.tree.Resolve(path)
	switch {
	case errors.Is(err, spacedb.ErrNotFound):
	case err != nil:
		return err
	case have.IsDir():
		return errors.New("the space has a directory there")
	default:
		if have.IsSymlink() {
			if now, err := m.tree.Readlink(have.ID); err == nil && (now == target || e != nil && e.Target == target) {
				m.result.Unchanged++
				return nil
			}
		}
		if f, err = m.collide(path, have); err != nil || !f.arrives {
			return err
		}
	}
	dir, _ := splitPath(f.path)
	if err := m.ensureDir(dir); err != nil {
		return err
	}
	after := spacedb.State{Mode: spacedb.TypeSymlink | 0o777, Target: target, Mtime: mtime}
	return m.came(from, f, conflict.Link, after, m.tree.PlaceSymlinkAs(f.path, f.expect, target, mtime, id))
}

// reportVanished tells what a manifest has and nobody found. Nothing is removed
// in the space: the next export would bring it back, and a person may want that.
func (m *importer) reportVanished() {
	if m.origin == nil {
		return
	}
	for i := range m.origin.Entries {
		e := &m.origin.Entries[i]
		if !m.origin.seen[i] && e.Name != "" && (e.Kind == manifest.Document || e.Kind == manifest.Symlink) && m.wanted(e.Path, false) {
			m.result.Vanished++
			m.notice("%s: it was exported, and is not there any more; the space keeps it", e.Path)
		}
	}
}

var errTooLarge = fmt.Errorf("%w: a document may have %d bytes", spacedb.ErrTooLarge, spacedb.MaxSize)
