package materialize

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"spacefs/spacedb"
)

// restoreStep is one path that comes back.
type restoreStep struct {
	item   spacedb.Item // as it was
	target string
	op     string
	expect spacedb.Guard // what is there now
	before spacedb.State // likewise
}

var errKindInTheWay = errors.New("something of another kind is there now; move it away, or restore with --to")

// plan decides what there is to do for one item. What cannot be done is noted,
// and with a directory all that is below it is passed over.
func (x *restorer) plan(it spacedb.Item) error {
	if err := x.ctx.Err(); err != nil {
		return err
	}
	if it.Junk {
		return skip(it.Attr)
	}
	s := restoreStep{item: it, target: it.Path, op: opOf(it.Attr), expect: spacedb.Guard{Absent: true}}
	if x.options.To != "" {
		s.target = path.Join(x.options.To, strings.TrimPrefix(it.Path, x.options.Path))
	}
	have, err := x.now.Item(s.target)
	switch {
	case errors.Is(err, spacedb.ErrNotFound):
	case errors.Is(err, spacedb.ErrNotDir), err == nil && have.Attr.Type() != it.Attr.Type():
		x.failed(s.target, errKindInTheWay)
		return skip(it.Attr)
	case err != nil:
		return err
	default:
		s.expect, s.before = spacedb.GuardOf(have.Attr), stateOf(itemEntry(have))
		if sameContent(have, it) {
			if have.Attr.IsSymlink() || have.Attr.Perm() == it.Attr.Perm() {
				x.result.Unchanged++
				return nil
			}
			s.op = "chmod"
		}
	}
	x.steps = append(x.steps, s)
	return nil
}

func opOf(a spacedb.Attr) string {
	switch {
	case a.IsDir():
		return "mkdir"
	case a.IsSymlink():
		return "symlink"
	}
	return "write"
}

// sameContent: have is what it was, but for the mode. They are of one type.
func sameContent(have, was spacedb.Item) bool {
	switch {
	case was.Attr.IsDir():
		return true
	case was.Attr.IsSymlink():
		return have.Target == was.Target
	}
	return have.Sealed && have.SHA256 == was.SHA256
}

func (x *restorer) carryOut(src *source) error {
	for _, s := range x.steps {
		if err := x.ctx.Err(); err != nil {
			return err
		}
		record := spacedb.ActionRecord{
			Path: s.target, Op: s.op, Side: "space", Reason: src.from, Before: s.before, After: stateOf(itemEntry(s.item)),
		}
		if err := x.act(src, s); err != nil {
			record.Error = cause(err)
			x.failed(s.target, err)
		} else {
			x.done(src, s)
		}
		x.records = append(x.records, record)
		x.options.Reporter.Step()
	}
	return nil
}

// act does one step, unless something else is there than was planned for.
func (x *restorer) act(src *source, s restoreStep) error {
	perm, mtime := s.item.Attr.Perm(), s.item.Attr.Mtime
	if s.expect.Absent {
		if err := x.makeParents(s.target); err != nil {
			return err
		}
	}
	var err error
	switch s.op {
	case "chmod":
		_, err = x.tree.ChangeAt(s.target, s.expect, spacedb.AttrChange{Mode: &perm})
	case "mkdir":
		_, err = x.tree.PlaceDir(s.target, s.expect, perm, mtime)
		if errors.Is(err, spacedb.ErrChanged) { // it was made above something that came before it
			_, err = x.tree.ChangeAt(s.target, spacedb.Guard{}, spacedb.AttrChange{Mode: &perm})
		}
	case "symlink":
		_, err = x.tree.PlaceSymlink(s.target, s.expect, s.item.Target, mtime)
	default:
		err = x.document(src, s.item, s.target, s.expect)
	}
	return err
}

func (x *restorer) document(src *source, it spacedb.Item, target string, guard spacedb.Guard) error {
	content, err := src.open(it)
	if err != nil {
		return err
	}
	g := x.tree.Stage()
	defer g.Discard()
	if _, err := io.Copy(g, content); err != nil {
		return err
	}
	if g.SHA256() != it.SHA256 {
		return fmt.Errorf("its content is not what was recorded; see spacefs check: %w", spacedb.ErrDamaged)
	}
	_, err = x.tree.Place(target, guard, g, it.Attr.Perm(), it.Attr.Mtime)
	return err
}

// makeParents makes the directories that are missing above a path.
func (x *restorer) makeParents(target string) error {
	for i, b := range []byte(target) {
		if b != '/' {
			continue
		}
		dir := target[:i]
		a, err := x.tree.Resolve(dir)
		switch {
		case err == nil && !a.IsDir():
			return errKindInTheWay
		case errors.Is(err, spacedb.ErrNotFound):
			a, err := x.tree.PlaceDir(dir, spacedb.Guard{Absent: true}, 0o755, time.Now().UnixNano())
			if err != nil {
				return err
			}
			x.records = append(x.records, spacedb.ActionRecord{
				Path: dir, Op: "mkdir", Side: "space", Reason: "above " + target, After: stateOf(itemEntry(spacedb.Item{Attr: a})),
			})
		case err != nil:
			return err
		}
	}
	return nil
}
