package materialize

import (
	"crypto/sha256"
	"errors"
	"io"

	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// fate is what becomes of an arrival.
type fate struct {
	path    string
	expect  spacedb.Guard
	before  spacedb.State // what is there
	arrives bool
	there   bool // it does not arrive, because the space has it
}

// judge decides where an arrival goes, or that it need not come.
//
// Without a manifest, only what the space has there counts. With one, a file
// that is as it was exported brings nothing that the space did not have: it is
// left out where its document is, also if that has changed since. A file that
// was edited comes; only if the document changed as well is that a conflict.
func (m *importer) judge(a *arrival) (f fate, err error) {
	if isReserved(a.path) {
		return f, errReserved
	}
	untouched := a.entry != nil && a.entry.Kind == manifest.Document && a.entry.SHA256 == a.sum
	if a.entry != nil && !untouched {
		m.result.Edited++
	}
	have, sum, sealed, err := m.tree.Content(a.path)
	switch {
	case errors.Is(err, spacedb.ErrNotFound):
		return fate{path: a.path, expect: spacedb.Guard{Absent: true}, arrives: true}, nil
	case errors.Is(err, spacedb.ErrNotDir):
		return f, errors.New("the space has no directory above it, but something else")
	case err != nil:
		return f, err
	case have.IsDir():
		return f, errors.New("the space has a directory there")
	}
	if have.IsRegular() {
		if !sealed && have.Size == a.stat.size {
			if sum, err = m.hashDocument(have); err != nil {
				return f, err
			}
			sealed = true
		}
		switch {
		case sealed && sum == a.sum || untouched:
			m.result.Unchanged++
			return fate{there: true}, nil
		case a.entry != nil && sealed && spacedb.Hash(a.entry.SHA256) == sum:
			return m.replace(a.path, have) // only here was it edited
		}
	}
	return m.collide(a.path, have)
}

// collide applies the policy to something else at the same path.
func (m *importer) collide(path string, have spacedb.Attr) (fate, error) {
	switch m.options.OnConflict {
	case SkipIt:
		m.result.Skipped++
		m.astray = true
		return fate{}, nil
	case RenameIt:
		m.astray = true
		free, err := m.freeName(path)
		return fate{path: free, expect: spacedb.Guard{Absent: true}, arrives: err == nil}, err
	}
	return m.replace(path, have)
}

// replace lets an arrival take the place of what is there, which the run's
// record keeps the description of.
func (m *importer) replace(path string, have spacedb.Attr) (f fate, err error) {
	f = fate{path: path, expect: spacedb.GuardOf(have), arrives: true}
	f.before = spacedb.State{Mode: have.Type() | have.Perm()&permMask, Mtime: have.Mtime}
	switch {
	case have.IsSymlink():
		f.before.Mode = spacedb.TypeSymlink | 0o777
		f.before.Target, err = m.tree.Readlink(have.ID)
	case have.IsRegular():
		f.before.SHA256, err = m.hashDocument(have)
	default:
		f.before = spacedb.State{} // a special file cannot be had back
	}
	return f, err
}

// hashDocument hashes what the space has not hashed yet.
func (m *importer) hashDocument(have spacedb.Attr) (sum spacedb.Hash, err error) {
	h := sha256.New()
	_, err = io.Copy(h, io.NewSectionReader(readerAt{m.tree, have.ID}, 0, have.Size))
	h.Sum(sum[:0])
	return sum, err
}

func kindName(a spacedb.Attr) string {
	switch {
	case a.IsDir():
		return "directory"
	case a.IsSymlink():
		return "symlink"
	case a.IsRegular():
		return "document"
	}
	return "special file"
}
