package materialize

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"

	"spacefs/conflict"
)

// stage writes the space's content beside its target.
func (x *executor) stage(a *conflict.Action, dir string) error {
	content, mtime, done, err := x.spaceContent(*a)
	if err != nil {
		return err
	}
	defer done()
	temp := dir + x.tempName()
	looks, not, err := x.disk.create(temp, content, x.withOwnAttributes(*a), mtime)
	if err != nil {
		_ = x.mirror.root.Remove(temp)
		return err
	}
	if x.attributes {
		x.refuse(a, "", not)
	}
	x.staged = append(x.staged, stagedFile{a, temp})
	x.written[a.Path] = looks
	x.bytes += a.Want.Size
	return nil
}

// spaceContent opens the content a write brings to the mirror; done says that it
// was read.
func (x *executor) spaceContent(a conflict.Action) (content io.Reader, mtime int64, done func(), err error) {
	if x.ahead != nil {
		data, err := x.ahead.of(a.Path)
		if err != nil {
			return nil, 0, nil, err
		}
		return bytes.NewReader(*data), x.space[a.Path].Attr.Mtime, func() { x.ahead.done(data) }, nil
	}
	if a.Content == conflict.OtherSide {
		content, mtime, err = x.otherSide(a)
	} else {
		content, mtime, err = x.supply(a)
	}
	return content, mtime, func() {}, err
}

func (x *executor) otherSide(a conflict.Action) (io.Reader, int64, error) {
	id, mtime := x.base[a.Path].Node, x.base[a.Path].MirrorMtime
	it, known := x.space[a.Path]
	if !known && id == 0 { // the base was put back by an undo, which knows no node
		var err error
		if it, err = x.snapshot.Item(x.before(conflict.Space, a.Path)); err != nil {
			return nil, 0, err
		}
		known = true
	}
	if known {
		content, err := x.snapshot.Content(it.Ref())
		return content, it.Attr.Mtime, err
	}
	content, err := x.snapshot.Open(id)
	return content, mtime, err
}

// rename puts what is staged in place of what the action expects.
func (x *executor) rename(temp, dir, name string, a *conflict.Action) error {
	absent := a.Expect.Kind == conflict.Absent
	var err error
	if !absent {
		err = x.expected(*a)
	}
	if err == nil {
		err = x.disk.rename(dir, path.Base(temp), name, absent)
	}
	if err != nil {
		_ = x.mirror.root.Remove(temp)
	}
	if errors.Is(err, fs.ErrExist) {
		return errChanged
	}
	return err
}
