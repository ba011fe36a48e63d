package materialize

import (
	"errors"
	"io"
	"io/fs"
	"syscall"

	"spacefs/conflict"
)

// expected looks whether the mirror still holds what the plan saw.
func (x *executor) expected(a conflict.Action) error {
	if err := x.looksAsExpected(a); err != nil {
		return err
	}
	return x.hasAttributes(a.Path, a.Expect)
}

func (x *executor) looksAsExpected(a conflict.Action) error {
	now, err := x.reach.look(a.Path)
	if errors.Is(err, fs.ErrNotExist) {
		if a.Expect.Kind == conflict.Absent {
			return nil
		}
		return errChanged
	}
	if err != nil {
		return err
	}
	if a.Expect.Kind == conflict.Absent {
		return errChanged
	}
	was := x.lastSeen(a.Path)
	if a.Expect.Kind == conflict.Directory {
		if !now.isDir() {
			return errChanged
		}
		return nil
	}
	if a.Expect.Kind == conflict.Symlink { // what it says is all there is to it
		target, err := x.mirror.root.Readlink(a.Path)
		if err == nil && target != a.Expect.Target || errors.Is(err, syscall.EINVAL) {
			err = errChanged
		}
		return err
	}
	if was.ctime == 0 { // too fresh to be trusted: only its content tells
		was.ctime = now.ctime
		if err := x.sameContent(a); err != nil {
			return err
		}
	}
	if now != was {
		return errChanged
	}
	return nil
}

func (x *executor) sameContent(a conflict.Action) error {
	f, err := openFile(x.mirror.root, a.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	before, sum, after, err := hashFile(f, io.Discard)
	if err == nil && (before != after || sum != a.Expect.Hash) {
		err = errChanged
	}
	return err
}

// lastSeen is how a file looked when the mirror was scanned.
func (x *executor) lastSeen(p string) stamp {
	if o, ok := x.seen[p]; ok {
		return o.stat
	}
	if o, ok := x.touched[p]; ok {
		return o.stat
	}
	return baseStamp(x.base[p])
}
