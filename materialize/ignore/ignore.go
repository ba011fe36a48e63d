// Package ignore matches paths against patterns as gitignore(5) has them. It is
// pure: the patterns come from whoever read them.
package ignore

import (
	"fmt"
	"strings"
)

// Patterns is a list in order; of those that match, the last decides. The zero
// value matches nothing.
type Patterns struct{ list []pattern }

type pattern struct {
	parts    []string // between slashes; "**" stands for any number of names
	negated  bool     // !: what matches is not ignored after all
	dirOnly  bool     // a slash at the end
	anchored bool     // a slash within: it is matched against the whole path
}

// maxPattern bounds one pattern, in bytes.
const maxPattern = 4096

// Parse reads one pattern a line; blank lines and those that begin with # are
// passed over.
func Parse(lines []string) (*Patterns, error) {
	p := &Patterns{}
	for i, line := range lines {
		pat, use, err := parse(line)
		if err != nil {
			return nil, fmt.Errorf("pattern %d, %q: %w", i+1, line, err)
		}
		if use {
			p.list = append(p.list, pat)
		}
	}
	return p, nil
}

func parse(line string) (p pattern, use bool, err error) {
	line = strings.TrimSuffix(line, "\r")
	// Spaces at the end count only behind a backslash.
	for strings.HasSuffix(line, " ") && !strings.HasSuffix(line, `\ `) {
		line = line[:len(line)-1]
	}
	switch {
	case line == "" || line[0] == '#':
		return p, false, nil
	case len(line) > maxPattern || strings.IndexByte(line, 0) >= 0:
		return p, false, fmt.Errorf("it is no pattern")
	case line[0] == '!':
		p.negated, line = true, line[1:]
	}
	if strings.HasSuffix(line, "/") {
		p.dirOnly, line = true, line[:len(line)-1]
	}
	p.anchored = strings.Contains(line, "/")
	line = strings.TrimPrefix(line, "/")
	if line == "" {
		return p, false, nil
	}
	p.parts = strings.Split(line, "/")
	for i, part := range p.parts {
		if len(part) > 2 && strings.Trim(part, "*") == "" {
			p.parts[i] = "**" // more stars are no other thing, as in git
		}
	}
	return p, true, nil
}

// Match says whether the last pattern that matches the path ignores it; known is
// false when none does. What is above the path is not looked at.
func (p *Patterns) Match(path string, dir bool) (ignored, known bool) {
	for i := len(p.list) - 1; i >= 0; i-- {
		if p.list[i].match(path, dir) {
			return !p.list[i].negated, true
		}
	}
	return false, false
}

// Covers says whether a path is ignored, or a directory above it: what is in an
// ignored directory cannot be taken out of it again.
func (p *Patterns) Covers(path string, dir bool) bool {
	if len(p.list) == 0 {
		return false
	}
	for i := 0; i < len(path); i++ {
		if path[i] == '/' {
			if ignored, _ := p.Match(path[:i], true); ignored {
				return true
			}
		}
	}
	ignored, _ := p.Match(path, dir)
	return ignored
}

// Empty: there is no pattern.
func (p *Patterns) Empty() bool { return len(p.list) == 0 }

func (p *pattern) match(path string, dir bool) bool {
	if p.dirOnly && !dir {
		return false
	}
	if !p.anchored {
		return matchName(p.parts[0], path[strings.LastIndexByte(path, '/')+1:])
	}
	return matchParts(p.parts, strings.Split(path, "/"))
}

// matchParts matches name by name. "**" takes as few names as will do; only the
// last one that was passed is ever taken back, so it is quick for any pattern.
func matchParts(parts, names []string) bool {
	i, j := 0, 0
	back, backTo := -1, 0
	for j < len(names) {
		switch {
		case i < len(parts) && parts[i] == "**":
			if i == len(parts)-1 {
				return true // everything inside
			}
			back, backTo = i, j
			i++
		case i < len(parts) && matchName(parts[i], names[j]):
			i++
			j++
		case back >= 0:
			backTo++
			i, j = back+1, backTo
		default:
			return false
		}
	}
	return i == len(parts)
}
