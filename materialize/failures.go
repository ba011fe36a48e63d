package materialize

import "strings"

// PathError is what went wrong at one path; the others went on.
type PathError struct {
	Path  string `json:"path"`
	Cause string `json:"cause"`
}

func (e PathError) Error() string { return e.Path + ": " + e.Cause }

// failures are the paths that went wrong. What is below such a path is as
// unknown as it is, and a directory above it must not go.
type failures struct {
	list  []PathError
	at    map[string]struct{}
	above map[string]struct{}
}

func (f *failures) add(path, cause string) {
	if f.at == nil {
		f.at, f.above = map[string]struct{}{}, map[string]struct{}{}
	}
	f.list = append(f.list, PathError{path, cause})
	f.at[path] = struct{}{}
	for p := path; p != ""; {
		p, _ = splitPath(p)
		f.above[p] = struct{}{}
	}
}

// cover says whether a path or one of its directories failed.
func (f *failures) cover(path string) bool {
	if len(f.at) == 0 {
		return false
	}
	for {
		if _, ok := f.at[path]; ok {
			return true
		}
		if path == "" {
			return false
		}
		path, _ = splitPath(path)
	}
}

// below says whether something in a directory failed.
func (f *failures) below(dir string) bool {
	_, ok := f.above[dir]
	return ok
}

func splitPath(p string) (dir, name string) {
	i := strings.LastIndexByte(p, '/')
	return p[:max(i, 0)], p[i+1:]
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
