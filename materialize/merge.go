package materialize

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"

	"spacefs/conflict"
	"spacefs/conflict/merge"
	"spacefs/spacedb"
)

// merger merges texts for conflict.Rules, and again for the executor: nothing is
// kept in between, for what goes in is known by its hash. The base and the
// space's text come from history.
type merger struct {
	snapshot *spacedb.Snapshot
	root     *os.Root
	last     merging
	seen     map[string]observation // of the mirror: what is about to be moved is still where it was
	given    *Resolution            // a person's own merge of one path
}

// merging is the last result: it is asked for a few times in a row.
type merging struct {
	of    [3]conflict.Hash
	text  []byte
	clean bool
}

// Resolution is what a person made of a conflict, and of what.
type Resolution struct {
	Path                  string
	Text                  []byte
	SpaceHeld, MirrorHeld string // as Describe says it
}

func (m *merger) merge(path string, base, space, mirror conflict.Entry) (conflict.Entry, bool) {
	text, clean := m.text(path, base, space, mirror)
	return conflict.Entry{Hash: sha256.Sum256(text), Size: int64(len(text))}, clean
}

// text is both sides' changes in one. What cannot be read now is not merged now:
// the next strategy decides.
func (m *merger) text(path string, base, space, mirror conflict.Entry) (text []byte, clean bool) {
	if g := m.given; g != nil && g.Path == path && g.SpaceHeld == Describe(space) && g.MirrorHeld == Describe(mirror) {
		return g.Text, true
	}
	if base.Kind != conflict.File {
		return nil, false
	}
	of := [3]conflict.Hash{base.Hash, space.Hash, mirror.Hash}
	if m.last.of == of {
		return m.last.text, m.last.clean
	}
	m.last = merging{of: of}
	texts, err := m.three(path, base, space, mirror)
	if err != nil {
		return nil, false
	}
	result, err := merge.Texts(texts[0], texts[1], texts[2], merge.Labels{})
	if err != nil || result.Conflicts > 0 {
		return nil, false
	}
	m.last.text, m.last.clean = result.Text, true
	return result.Text, true
}

var errNoText = errors.New("it is no text, or a very large one")

// three reads the base's, the space's and the mirror's text.
func (m *merger) three(path string, base, space, mirror conflict.Entry) (texts [3][]byte, err error) {
	for i, e := range []conflict.Entry{base, space, mirror} {
		switch {
		case e.Size > merge.MaxSize:
			return texts, errNoText
		case i == 2:
			texts[i], err = m.ofMirror(path, e.Hash)
		case e.Kind == conflict.File:
			texts[i], err = m.ofHistory(e.Hash)
		}
		if err != nil {
			return texts, err
		}
		if !merge.Mergeable(texts[i]) {
			return texts, errNoText
		}
	}
	return texts, nil
}

func (m *merger) ofHistory(h conflict.Hash) ([]byte, error) {
	content, err := m.snapshot.OpenHash(spacedb.Hash(h))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(content, merge.MaxSize+1))
}

func (m *merger) ofMirror(path string, h conflict.Hash) ([]byte, error) {
	f, err := openFile(m.root, path)
	for p, o := range m.seen {
		if !isGone(err) {
			break
		}
		if o.Kind == conflict.File && o.Hash == h {
			f, err = openFile(m.root, p)
		}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, merge.MaxSize+1))
	if err == nil && sha256.Sum256(text) != h {
		err = errChanged
	}
	return text, err
}

// supply opens what an action writes when the other side has not got it.
func (x *executor) supply(a conflict.Action) (content io.Reader, mtime int64, err error) {
	if a.Content == conflict.MergeOf {
		space, mirror := a.Expect, a.Source
		if a.Side == conflict.Mirror {
			space, mirror = mirror, space
		}
		text, clean := x.merger.text(a.Path, a.Base, space, mirror)
		if !clean || sha256.Sum256(text) != a.Want.Hash {
			return nil, 0, errChanged
		}
		return bytes.NewReader(text), x.now().UnixNano(), nil
	}
	if x.kept == nil { // what lost was kept after the run's snapshot
		if x.kept, err = x.tree.Store().Snapshot(x.ctx); err != nil {
			return nil, 0, err
		}
	}
	content, err = x.kept.OpenHash(spacedb.Hash(a.Want.Hash))
	return content, a.Want.Mtime, err
}

// bringSupplied puts what supply opens into the space.
func (x *executor) bringSupplied(a conflict.Action, guard spacedb.Guard) (spacedb.Attr, error) {
	content, mtime, err := x.supply(a)
	if err != nil {
		return spacedb.Attr{}, err
	}
	staged := x.tree.Stage()
	defer staged.Discard()
	if _, err := io.Copy(staged, content); err != nil {
		return spacedb.Attr{}, err
	}
	if staged.SHA256() != spacedb.Hash(a.Want.Hash) {
		return spacedb.Attr{}, errChanged
	}
	return x.tree.Place(a.Path, guard, staged, a.Want.Mode, mtime)
}
