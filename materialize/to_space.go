package materialize

import (
	"spacefs/conflict"
	"spacefs/spacedb"
)

// actOnSpace brings the mirror's state of a path into the space.
func (x *executor) actOnSpace(a conflict.Action) error {
	guard, err := x.guardOf(a)
	if err != nil {
		return err
	}
	var attr spacedb.Attr
	switch a.Op {
	case conflict.Remove:
		return x.tree.RemoveAt(a.Path, guard)
	case conflict.Mkdir:
		attr, err = x.tree.PlaceDir(a.Path, guard, a.Want.Mode, a.Want.Mtime)
	case conflict.Link:
		attr, err = x.tree.PlaceSymlink(a.Path, guard, a.Want.Target, a.Want.Mtime)
	case conflict.Metadata:
		attr.ID, attr.Version, attr.Mode = guard.ID, guard.Version, guard.Mode
	case conflict.Chmod:
		mode := a.Want.Mode
		attr, err = x.tree.ChangeAt(a.Path, guard, spacedb.AttrChange{Mode: &mode})
	case conflict.Write:
		if a.Content != conflict.OtherSide {
			attr, err = x.bringSupplied(a, guard)
		} else {
			attr, err = x.bring(a, guard)
		}
	}
	if err != nil {
		return err
	}
	x.placed[a.Path] = attr
	return x.attributeSpace(a, attr)
}

// guardOf is the space's node that the plan saw at a path.
func (x *executor) guardOf(a conflict.Action) (spacedb.Guard, error) {
	if a.Expect.Kind == conflict.Absent {
		return spacedb.Guard{Absent: true}, nil
	}
	if it, ok := x.space[a.Path]; ok {
		return spacedb.GuardOf(it.Attr), nil
	}
	it, err := x.snapshot.Item(x.before(conflict.Space, a.Path))
	return spacedb.GuardOf(it.Attr), err
}

// bring reads a mirror's file into the space; it must be the one that was scanned.
func (x *executor) bring(a conflict.Action, guard spacedb.Guard) (spacedb.Attr, error) {
	f, err := openFile(x.mirror.root, a.Path)
	if err != nil {
		return spacedb.Attr{}, err
	}
	defer f.Close()
	staged := x.tree.Stage()
	defer staged.Discard()
	before, sum, after, err := hashFile(f, staged)
	if err != nil {
		return spacedb.Attr{}, err
	}
	if before != after || sum != a.Want.Hash {
		return spacedb.Attr{}, errMoved
	}
	return x.tree.Place(a.Path, guard, staged, a.Want.Mode, after.mtime)
}
