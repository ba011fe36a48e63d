package materialize

import (
	"os"
	"strings"
)

// reach keeps directories open, from the root down to the one that was asked for
// last: a plan goes through a tree in order, and to come from the root to each
// file anew costs more than what is done to it. Directories are reached as a walk
// reaches them, never through a symlink.
//
// One that somebody moves away meanwhile is still the one that was opened. So
// nothing is kept for longer than a batch, and what was done is looked at anew
// before the base hears of it. For one goroutine.
type reach struct {
	root  *os.Root
	chain []reached
}

type reached struct {
	path string
	directory
}

// open returns a directory, which stays the reach's.
func (r *reach) open(dir string) (directory, error) {
	for n := len(r.chain); n > 0 && !isWithin(dir, r.chain[n-1].path); n = len(r.chain) {
		r.pop()
	}
	if len(r.chain) == 0 {
		d, err := openDirectory(r.root, "")
		if err != nil {
			return d, err
		}
		r.chain = append(r.chain, reached{"", d})
	}
	for {
		at := r.chain[len(r.chain)-1]
		if at.path == dir {
			return at.directory, nil
		}
		name := nextName(dir, at.path)
		d, err := at.open(name)
		if err != nil {
			r.letGo() // something is not where it was
			return d, err
		}
		r.chain = append(r.chain, reached{join(at.path, name), d})
	}
}

// parent returns the directory of a path, and its name there.
func (r *reach) parent(path string) (directory, string, error) {
	dir, name := splitPath(path)
	d, err := r.open(dir)
	return d, name, err
}

// look is lstat.
func (r *reach) look(path string) (stamp, error) {
	d, name, err := r.parent(path)
	if err != nil {
		return stamp{}, err
	}
	return statAt(d, name)
}

// letGo closes everything: the next one asked for is found where it is then.
func (r *reach) letGo() {
	for len(r.chain) > 0 {
		r.pop()
	}
}

func (r *reach) pop() {
	last := len(r.chain) - 1
	r.chain[last].close()
	r.chain = r.chain[:last]
}

// isWithin says whether a directory is dir or is somewhere in it.
func isWithin(path, dir string) bool {
	return dir == "" || path == dir || len(path) > len(dir) && path[len(dir)] == '/' && path[:len(dir)] == dir
}

// nextName is the name in dir of what leads to path, which is somewhere in it.
func nextName(path, dir string) string {
	if dir != "" {
		path = path[len(dir)+1:]
	}
	name, _, _ := strings.Cut(path, "/")
	return name
}
