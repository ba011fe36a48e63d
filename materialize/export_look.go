package materialize

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"

	"spacefs/materialize/manifest"
	"spacefs/spacedb"
)

// asWritten says of each entry of a manifest whether what is at its name looks,
// by kind, size and time, as it was written. That is enough to leave it alone;
// before anything is overwritten it is read.
func asWritten(root *os.Root, m *manifest.Manifest) []bool {
	same := make([]bool, len(m.Entries))
	groups := byDirectory(m.Entries)
	var next sync.Mutex
	var workers sync.WaitGroup
	from := 0
	for range max(2, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			reach := &reach{root: root}
			defer reach.letGo()
			for {
				next.Lock()
				some := groups[from:min(from+64, len(groups))]
				from += len(some)
				next.Unlock()
				if len(some) == 0 {
					return
				}
				for i := range some {
					lookAtGroup(reach, m.Entries, &some[i], same)
				}
			}
		})
	}
	workers.Wait()
	for i := range m.Entries {
		if m.Entries[i].Name == "" {
			same[i] = true // there is nothing that could be otherwise
		}
	}
	return same
}

func lookAtGroup(reach *reach, entries []manifest.Entry, g *exportGroup, same []bool) {
	d, err := reach.open(g.dir)
	if err != nil {
		return
	}
	if g.own >= 0 {
		same[g.own] = true
	}
	for _, i := range g.entries {
		e := &entries[i]
		_, name := splitPath(e.Name)
		st, err := statAt(d, name)
		if err != nil {
			continue
		}
		size, kind := e.Size, spacedb.TypeRegular
		if e.Kind == manifest.Symlink {
			size, kind = 0, spacedb.TypeSymlink
		}
		same[i] = st.mode&spacedb.TypeMask == kind && st.size == size && st.mtime == e.Mtime
	}
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
