package materialize

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// asWritten says of each entry of a manifest whether what is at its name looks,
// by kind, size and time, as it was written. That is enough to leave it alone;
// before anything is overwritten it is read.
func asWritten(root *os.Root, m *manifest.Manifest) []bool {
	const few = 512 // entries, in their order: most are in the directory of the one before
	same := make([]bool, len(m.Entries))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range max(2, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			reach := &reach{root: root}
			defer reach.letGo()
			for {
				end := int(next.Add(few))
				if end-few >= len(same) {
					return
				}
				for i := end - few; i < min(end, len(same)); i++ {
					same[i] = looksAs(reach, &m.Entries[i])
				}
			}
		})
	}
	workers.Wait()
	return same
}

func looksAs(reach *reach, e *manifest.Entry) bool {
	switch e.Kind {
	case manifest.Directory:
		if e.Name == "" {
			return true // there is nothing that could be otherwise
		}
		_, err := reach.open(e.Name)
		return err == nil
	case manifest.Symlink:
		st, err := reach.look(e.Name)
		return err == nil && st.kind() == spacedb.TypeSymlink && st.mtime == e.Mtime
	}
	st, err := reach.look(e.Name)
	return err == nil && st.kind() == spacedb.TypeRegular && st.size == e.Size && st.mtime == e.Mtime
}

// lookAt reads what is at a name.
func lookAt(root *os.Root, name string) (diskState, stamp, error) {
	info, err := root.Lstat(name)
	if isGone(err) {
		return diskState{}, stamp{}, nil
	}
	if err != nil {
		return diskState{}, stamp{}, err
	}
	st := stampOf(info)
	switch mode := info.Mode(); {
	case mode.IsDir():
		return diskState{kind: manifest.Directory}, st, nil
	case mode&fs.ModeSymlink != 0:
		target, err := root.Readlink(name)
		return diskState{kind: manifest.Symlink, target: target}, st, err
	case !mode.IsRegular():
		return diskState{kind: special}, st, nil
	}
	f, err := openFile(root, name)
	if err != nil {
		return diskState{}, st, err
	}
	defer f.Close()
	before, sum, after, err := hashFile(f, io.Discard)
	if err == nil && before != after {
		err = errMoved
	}
	return diskState{kind: manifest.Document, sha256: sum}, after, err
}

// hashUnsealed finds the hash of what the space itself has not hashed yet.
func (x *exporter) hashUnsealed(p *exportPlan) error {
	for i := range p.entries {
		e, s := &p.entries[i], &p.sources[i]
		if e.Kind != manifest.Document || s.hashed {
			continue
		}
		content, err := x.v.Content(s.ref)
		if err != nil {
			return err
		}
		h := sha256.New()
		if _, err := io.Copy(h, content); err != nil {
			return errors.Join(errors.New(e.Path), err)
		}
		h.Sum(e.SHA256[:0])
		s.hashed = true
	}
	return nil
}
