package spacedb

import (
	"encoding/json"
	"path"
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
	".~lock.*#",                    // LibreOffice
	".DS_Store", "._*", ".Trashes", // macOS
	".Trash-*", ".directory", "Thumbs.db", ".goutputstream-*", // file managers
	".fuse_hidden*", ".nfs*", // unlinked, still open
	".unison.*", ".syncthing.*.tmp", ".spacefs-tmp-*", // sync tools
}

// junkRules are the patterns of one space.
type junkRules struct {
	exact    map[string]bool
	patterns []string
}

// load takes the JSON list of the space file; nothing means DefaultJunk.
func (j *junkRules) load(list []byte) error {
	patterns := DefaultJunk
	if len(list) > 0 {
		patterns = nil
		if err := json.Unmarshal(list, &patterns); err != nil {
			return damaged("the junk list: %v", err)
		}
	}
	j.exact = map[string]bool{}
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return damaged("the junk list: %q: %v", p, err)
		}
		if strings.ContainsAny(p, `*?[\`) {
			j.patterns = append(j.patterns, p)
		} else {
			j.exact[p] = true
		}
	}
	return nil
}

// matchName says whether one name is junk.
func (j *junkRules) matchName(name string) bool {
	if j.exact[name] {
		return true
	}
	for _, p := range j.patterns {
		// Nearly every name fails at the first byte; Match is slower to say so.
		if p[0] != name[0] && p[0] != '*' {
			continue
		}
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return false
}

// Junk says whether a path is junk: it, or a directory above it.
func (s *Store) Junk(p string) bool {
	for rest := p; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if name != "" && s.junk.matchName(name) {
			return true
		}
	}
	return false
}
