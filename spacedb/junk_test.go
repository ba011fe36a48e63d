package spacedb

import (
	"path"
	"testing"
)

// However a pattern is compared, it means what path.Match says.
func TestJunkPatternsMeanWhatMatchSays(t *testing.T) {
	patterns := append([]string{"?a", "[ab]*", `\*a`, "a*b*c", "*", "a*a", "[^a]?", "[ab]", "[ab]a", "*é", "é*"}, DefaultJunk...)
	names := []string{
		"a", "aa", "ba", "*a", "abc", "axbxc", "é", "éa", "aé", ".env.sample", ".a.swp", ".swx", ".a.swx", ".swa", "4913", "note~", "~", "#a#", "#", "##", ".#a",
		".~lock.a#", ".~lock.#", "a___jb_tmp___", "___jb_old___", "a.vsctmp", "._", "._a", ".nfs", ".nfs1", ".unison.a", ".syncthing..tmp", ".syncthing.tmp",
		".Trash-0", ".spacefs-tmp-1", "Thumbs.db", "thumbs.db",
	}
	for _, p := range patterns {
		rules, err := newJunkRules([]string{p})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			want, _ := path.Match(p, name)
			own, _ := path.Match(ownJunk, name)
			if got := rules.matchName(name); got != (want || own) {
				t.Errorf("%q is junk by %q: %v", name, p, got)
			}
		}
	}
}
