package materialize

import (
	"errors"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// healBase makes up for a base that is lost: the space was restored from a
// backup that knows nothing of this mirror, or its rows are gone. What the mirror
// holds is then not edited but stale if the document had that content before: it
// is what both sides once agreed on. What only the mirror has is not taken for
// deleted in the space; it comes back.
func healBase(v *spacedb.Snapshot, base, space, mirror conflict.Tree) error {
	for p, m := range mirror {
		s := space[p]
		if m.Kind != conflict.File || s.Kind != conflict.File || m.Hash == s.Hash {
			continue
		}
		had, err := v.Had(p, spacedb.Hash(m.Hash))
		if err != nil && !errors.Is(err, spacedb.ErrNotFound) {
			return err
		}
		if had {
			m.Mode, m.Attributes = s.Mode, "" // of modes and attributes nobody remembers anything
			base[p] = m
		}
	}
	return nil
}
