package conflict

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxName is the longest name there is on Linux.
const maxName = 255

// copyName is where keep_both keeps a loser: beside the winner, with the same
// extension, under a name that says where it comes from and when.
//
//	notes/todo.md → notes/todo (conflict from mirror 2026-11-24).md
func copyName(path string, loser Side, stamp string, taken func(string) bool) string {
	dir, name := splitName(path)
	stem, ext := name, ""
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		stem, ext = name[:i], name[i:]
	}
	note := " (conflict from " + loser.String()
	if stamp != "" {
		note += " " + stamp
	}
	for n := 1; ; n++ {
		suffix := note + ")"
		if n > 1 {
			suffix = fmt.Sprintf("%s %d)", note, n)
		}
		if len(suffix)+len(ext) > maxName { // an extension that is none
			stem, ext = name, ""
		}
		if p := dir + shorten(stem, maxName-len(suffix)-len(ext)) + suffix + ext; !taken(p) {
			return p
		}
	}
}

// splitName cuts a path after its last slash.
func splitName(p string) (dir, name string) {
	i := strings.LastIndexByte(p, '/') + 1
	return p[:i], p[i:]
}

// shorten cuts a name to a length, but not within a character.
func shorten(name string, limit int) string {
	if len(name) <= limit {
		return name
	}
	for limit > 0 && !utf8.RuneStart(name[limit]) {
		limit--
	}
	return name[:limit]
}
