package materialize

import (
	"crypto/sha256"
	"strings"

	"spacefs/conflict"
	"spacefs/spacedb"
)

// keepLosers puts into history, durably, every content of the mirror that the
// plan overwrites or removes and that history does not have.
func (x *executor) keepLosers(actions []conflict.Action) error {
	for i := range actions {
		a := &actions[i]
		if a.Side != conflict.Mirror || a.Expect.Kind == conflict.Absent || a.Expect.Kind == conflict.Directory ||
			a.Op == conflict.Adopt || a.Op == conflict.Chmod || a.Op == conflict.Metadata || a.Op == conflict.Mkdir || a.Op == conflict.Move {
			continue
		}
		if err := x.keep(*a); err != nil {
			x.note(a, err)
		}
	}
	return x.tree.Store().Sync()
}

func (x *executor) keep(a conflict.Action) error {
	sum := spacedb.Hash(a.Expect.Hash)
	if a.Expect.Kind == conflict.Symlink {
		sum = sha256.Sum256([]byte(a.Expect.Target))
	}
	if have, err := x.tree.Store().HasContent(sum); err != nil || have && !a.Conflict {
		return err
	}
	inSpace := x.before(conflict.Space, a.Path)
	if a.Expect.Kind == conflict.Symlink {
		_, err := x.tree.Keep(inSpace, spacedb.TypeSymlink|0o777, a.Expect.Mtime, strings.NewReader(a.Expect.Target))
		return err
	}
	f, err := openFile(x.mirror.root, x.before(conflict.Mirror, a.Path))
	if err != nil {
		return err
	}
	defer f.Close()
	kept, err := x.tree.Keep(inSpace, spacedb.TypeRegular|a.Expect.Mode, a.Expect.Mtime, f)
	if err == nil && kept.SHA256 != sum {
		err = errChanged // what is there now is kept too; it is not lost either
	}
	return err
}
