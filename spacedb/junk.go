package spacedb

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// DefaultJunk is what editors, file managers and sync tools leave behind. A
// file whose name, or a directory above it whose name, matches one of these
// patterns (path.Match) works like any other in the mount, but has no revisions
// and is not mirrored or exported.
//
// A pattern that could also mean a document is not on the list: rsync's
// temporary .NAME.XXXXXX looks just like .env.sample, and a document that is
// silently left out is worse than a temporary that is not.
var DefaultJunk = []string{
	".*.sw[a-p]", ".*.swx", "4913", // vim
	"*~", "#*#", ".#*", // emacs, and backups
	".~lock.*#",                                  // LibreOffice
	"*___jb_tmp___", "*___jb_old___", "*.vsctmp", // IntelliJ, VS Code
	".DS_Store", "._*", ".Trashes", // macOS
	".Trash-*", ".directory", "Thumbs.db", ".goutputstream-*", // file managers
	".fuse_hidden*", ".nfs*", // unlinked, still open
	".unison.*", ".syncthing.*.tmp", ownJunk, // sync tools
}

// ownJunk is what spacefs itself leaves behind when it is killed; it is junk in
// every space.
const ownJunk = ".spacefs-tmp-*"

// junkRules are the patterns of one space. They are never changed, only replaced.
type junkRules struct {
	all      []string // as they are listed
	exact    map[string]bool
	patterns []junkPattern
	// Of what may be junk, how it begins and how it ends: most names do neither.
	first, last [256]bool
}

// junkPattern is a pattern as it is compared: every name that anybody looks at is.
// Nearly all have one star, and are two comparisons.
type junkPattern struct {
	prefix, suffix string // around the star
	glob           string // what path.Match has to look at; "" if there is but a star
}

func newJunkPattern(p string) junkPattern {
	prefix, suffix, star := strings.Cut(p, "*")
	if !star || strings.ContainsAny(prefix+suffix, `*?[\`) {
		return junkPattern{glob: p}
	}
	return junkPattern{prefix: prefix, suffix: suffix}
}

func (p junkPattern) match(name string) bool {
	if p.glob == "" {
		return len(name) >= len(p.prefix)+len(p.suffix) && strings.HasPrefix(name, p.prefix) && strings.HasSuffix(name, p.suffix)
	}
	// Nearly every name fails at the first byte; Match is slower to say so.
	if c := p.glob[0]; c != name[0] && !strings.ContainsRune(`*?[\`, rune(c)) {
		return false
	}
	ok, _ := path.Match(p.glob, name)
	return ok
}

func newJunkRules(patterns []string) (*junkRules, error) {
	j := &junkRules{all: slices.Clone(patterns), exact: map[string]bool{}}
	if !slices.Contains(patterns, ownJunk) {
		j.all = append(j.all, ownJunk)
	}
	for _, p := range j.all {
		if _, err := path.Match(p, ""); err != nil || p == "" || strings.ContainsAny(p, "/\x00") {
			return nil, fmt.Errorf("%q is no pattern for a name", p)
		}
		if !strings.ContainsAny(p, `*?[\`) {
			j.exact[p] = true
		} else {
			j.patterns = append(j.patterns, newJunkPattern(p))
		}
		j.noteEnds(p)
	}
	return j, nil
}

// noteEnds marks the first byte of what a pattern matches or, where that may be
// any, its last, or where that may be any too, all.
func (j *junkRules) noteEnds(pattern string) {
	const special = `*?[\`
	begin, end := pattern[0], pattern[len(pattern)-1]
	switch {
	case !strings.ContainsRune(special, rune(begin)):
		j.first[begin] = true
	case begin != '[' && len(pattern) > 1 && !strings.ContainsAny(pattern[1:], special):
		j.last[end] = true
	default:
		for i := range j.first {
			j.first[i] = true
		}
	}
}

// loadJunk takes the JSON list of the space file; nothing means DefaultJunk.
func (s *Store) loadJunk(list []byte) error {
	patterns := DefaultJunk
	if len(list) > 0 {
		patterns = nil
		if err := json.Unmarshal(list, &patterns); err != nil {
			return damaged("the junk list: %v", err)
		}
	}
	rules, err := newJunkRules(patterns)
	if err != nil {
		return damaged("the junk list: %v", err)
	}
	s.junk.Store(rules)
	return nil
}

// JunkPatterns lists what is junk in this space.
func (s *Store) JunkPatterns() []string { return slices.Clone(s.junk.Load().all) }

// SetJunk replaces the space's patterns; nil goes back to DefaultJunk. What is
// junk from now on keeps the history that it has, and what is not any more gets
// one. Every mirror's next sync looks at everything.
func (s *Store) SetJunk(patterns []string) error {
	var list any
	if patterns != nil {
		text, err := json.Marshal(patterns)
		if err != nil {
			return err
		}
		list = string(text)
	} else {
		patterns = DefaultJunk
	}
	rules, err := newJunkRules(patterns)
	if err != nil {
		return err
	}
	err = s.record(statement{`UPDATE space SET junk = ?`, []any{list}}, statement{`UPDATE mirror SET seq = 0`, nil})
	if err != nil {
		return err
	}
	s.junk.Store(rules)
	s.mu.Lock()
	s.sweep = true // some may have been left unsealed as junk
	s.pulses.beat()
	s.mu.Unlock()
	return s.Sync()
}

func (s *Store) junkName(name string) bool { return s.junk.Load().matchName(name) }

// matchName says whether one name is junk.
func (j *junkRules) matchName(name string) bool {
	if !j.first[name[0]] && !j.last[name[len(name)-1]] {
		return false
	}
	if j.exact[name] {
		return true
	}
	for _, p := range j.patterns {
		if p.match(name) {
			return true
		}
	}
	return false
}

// Junk says whether a path is junk: it, or a directory above it.
func (s *Store) Junk(p string) bool { return s.junk.Load().match(p) }

func (j *junkRules) match(p string) bool {
	for rest := p; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if name != "" && j.matchName(name) {
			return true
		}
	}
	return false
}
