package materialize

import (
	"fmt"

	"spacefs/internal/attributes"
	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// addAttributes reads what an item has, unless it is more than an export can
// hold.
func (x *exporter) addAttributes(it *spacedb.Item) error {
	if err := addAttributes(x.v, it); err != nil {
		return err
	}
	if n := len(it.Attributes); n > manifest.MaxAttributes {
		it.Attributes = ""
		x.result.Notices = append(x.result.Notices, fmt.Sprintf("%s: its %d bytes of extended attributes are more than an export holds, and stay in the space", it.Path, n))
	}
	return nil
}

// attribute gives a new file or directory those of its entry.
func (w *treeWriter) attribute(fd int, i int) error {
	set := w.plan.entries[i].Attributes
	if set == "" || w.noAttributes {
		return nil
	}
	not, err := writeAttributes(fd, attributes.Changes("", set))
	if len(not) > 0 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.refused[i] = not
	}
	return err
}

// failAttributes tells of those that a filesystem does not take; the manifest has
// them.
func (x *exporter) failAttributes(name string, not []refused) {
	for _, r := range not {
		x.fail(name, r)
	}
}

func (r refused) Error() string {
	size := 0
	if r.change.New != nil {
		size = len(*r.change.New)
	}
	return fmt.Sprintf("attribute %s (%d bytes): the filesystem does not take it: %v", r.change.Name, size, r.err)
}

// attributesToBe are those that what is at a name shall have: where it has what an
// export gave it, what the space has now; where somebody else set or removed one,
// that stays.
func (n *exportName) attributesToBe(want attributes.Set) attributes.Set {
	values := n.disk.attributes.Map()
	sets := []attributes.Set{want}
	for _, h := range n.had {
		sets = append(sets, h.Attributes)
	}
	for _, name := range attributes.Names(sets...) {
		if n.isExported(name) {
			keep(values, name, want)
		}
	}
	return attributes.Of(values)
}

// isExported says whether an attribute is as an export left it.
func (n *exportName) isExported(name string) bool {
	is, there := n.disk.attributes.Get(name)
	for _, h := range n.had {
		if value, had := h.Attributes.Get(name); had == there && value == is {
			return true
		}
	}
	return len(n.had) == 0 && !there
}

// attributeExported does that to what is there already.
func (x *exporter) attributeExported(disk disk, n *exportName, want attributes.Set) error {
	changes := attributes.Changes(n.disk.attributes, n.attributesToBe(want))
	if len(changes) == 0 {
		return nil
	}
	not, err := disk.attribute(n.name, changes)
	x.failAttributes(n.name, not)
	return err
}

// attributesOnDisk reads what is at a name, if it matters.
func (x *exporter) attributesOnDisk(n *exportName) (err error) {
	if x.readsAttributes && (n.disk.kind == manifest.Directory || n.disk.kind == manifest.Document) {
		n.disk.attributes, err = attributesAt(x.root, n.name)
	}
	return err
}
