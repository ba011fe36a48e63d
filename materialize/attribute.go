package materialize

import (
	"errors"
	"fmt"
	"io/fs"

	"spacefs/conflict"
	"spacefs/internal/attributes"
	"spacefs/spacedb"
)

// Extended attributes come with whatever else is done at a path: with a new file
// before it takes its place, with a directory or a mode after it, and alone.

// attributeMirror gives what is at an action's path in the mirror the attributes
// it shall have. What it has now is what the action saw; see expected.
func (x *executor) attributeMirror(a *conflict.Action) error {
	from := attributesBefore(*a)
	if !x.attributes || from == a.Want.Attributes {
		return nil
	}
	_, at := x.within(a.Path)
	not, err := x.disk.attribute(at, attributes.Changes(from, a.Want.Attributes))
	if err != nil {
		return err
	}
	if a.Want.Mode&ownerReads != 0 { // else we could not open it
		x.dirs[a.Path] = struct{}{} // to be made durable, as they are
	}
	x.refuse(a, from, not)
	return nil
}

// attributesBefore are those of what an action finds and leaves there.
func attributesBefore(a conflict.Action) attributes.Set {
	if a.Expect.Kind != a.Want.Kind {
		return ""
	}
	return a.Expect.Attributes
}

// withOwnAttributes is what is to be written: where extended attributes are not
// synced, with those that the file in the mirror has.
func (x *executor) withOwnAttributes(a conflict.Action) conflict.Entry {
	e := a.Want
	if !x.attributes && a.Expect.Kind == conflict.File {
		e.Attributes, _ = attributesAt(x.mirror.root, a.Path) // what cannot be read, no new file can have
	}
	return e
}

// refuse has an action want no more than the mirror's filesystem takes. Each
// attribute that it does not take is told of, and stays as it was on both sides
// and in the base.
func (x *executor) refuse(a *conflict.Action, from attributes.Set, not []refused) {
	if len(not) == 0 {
		return
	}
	has, agreed := a.Want.Attributes.Map(), a.Agreement().Attributes.Map()
	for _, r := range not {
		keep(has, r.change.Name, from)
		keep(agreed, r.change.Name, a.Base.Attributes)
		size := 0
		if r.change.New != nil {
			size = len(*r.change.New)
		}
		x.refused = append(x.refused, PathError{a.Path, fmt.Sprintf("attribute %s (%d bytes): the mirror's filesystem does not take it: %v", r.change.Name, size, r.err)})
	}
	a.Want.Attributes, a.Divided, a.Agreed = attributes.Of(has), true, attributes.Of(agreed)
}

// keep has a name mean what it means in a set.
func keep(values map[string]string, name string, as attributes.Set) {
	delete(values, name)
	if v, ok := as.Get(name); ok {
		values[name] = v
	}
}

// attributeSpace gives the space's node at an action's path, which is now attr,
// the attributes it shall have.
func (x *executor) attributeSpace(a conflict.Action, attr spacedb.Attr) error {
	changes := attributes.Changes(attributesBefore(a), a.Want.Attributes)
	if !x.attributes || len(changes) == 0 {
		return nil
	}
	_, err := x.tree.ChangeXattrs(a.Path, spacedb.GuardOf(attr), changes)
	return err
}

// hasAttributes says whether the mirror still has the attributes that an action
// expects at a path. What nobody may read was not read before either.
func (x *executor) hasAttributes(path string, e conflict.Entry) error {
	if !x.attributes || e.Kind != conflict.File && e.Kind != conflict.Directory {
		return nil
	}
	now, err := attributesAt(x.mirror.root, path)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err == nil && now != e.Attributes {
		err = errChanged
	}
	return err
}

// mirrorHolds is what the mirror holds at an action's path once it is done.
func mirrorHolds(a conflict.Action) conflict.Entry {
	if a.Side == conflict.Mirror {
		return a.Want
	}
	return a.Source
}

// agreedAttributes are what the base learns of them together with bases; one
// that goes takes its own along.
func (x *executor) agreedAttributes(bases map[string]*spacedb.BaseEntry) map[string]attributes.Set {
	if !x.attributes || x.mirror.known.MetadataState != spacedb.MetadataInForce {
		return nil
	}
	agreed := map[string]attributes.Set{}
	for p, b := range bases {
		if b != nil && (b.Attributes != "" || x.base[p].Attributes != "") {
			agreed[p] = b.Attributes
		}
	}
	return agreed
}
