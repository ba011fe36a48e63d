package materialize

import "strings"

// pathSet is a set of paths that speaks for what is below and above them. Its
// zero value is empty.
type pathSet struct {
	at    map[string]struct{}
	above map[string]struct{}
}

func (s *pathSet) put(path string) {
	if s.at == nil {
		s.at, s.above = map[string]struct{}{}, map[string]struct{}{}
	}
	s.at[path] = struct{}{}
	for p := path; p != ""; {
		p, _ = splitPath(p)
		s.above[p] = struct{}{}
	}
}

// cover says whether a path or one of its directories is in the set.
func (s *pathSet) cover(path string) bool {
	if len(s.at) == 0 {
		return false
	}
	for {
		if _, ok := s.at[path]; ok {
			return true
		}
		if path == "" {
			return false
		}
		path, _ = splitPath(path)
	}
}

// below says whether something in a directory is in the set.
func (s *pathSet) below(dir string) bool {
	_, ok := s.above[dir]
	return ok
}

// touches says whether a path, something above it or something below it is in
// the set.
func (s *pathSet) touches(path string) bool { return s.cover(path) || s.below(path) }

// PathError is what went wrong at one path; the others went on.
type PathError struct {
	Path  string `json:"path"`
	Cause string `json:"cause"`
}

func (e PathError) Error() string { return e.Path + ": " + e.Cause }

// failures are the paths that went wrong. What is below such a path is as
// unknown as it is, and a directory above it must not go.
type failures struct {
	pathSet
	list []PathError
}

func (f *failures) add(path, cause string) {
	f.list = append(f.list, PathError{path, cause})
	f.put(path)
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
