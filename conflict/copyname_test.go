package conflict

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCopyNames(t *testing.T) {
	taken := map[string]bool{"d/b (conflict from space 2026-11-24).md": true, "d/b (conflict from space 2026-11-24 2).md": true}
	for _, c := range []struct {
		path  string
		loser Side
		want  string
	}{
		{"a.md", Mirror, "a (conflict from mirror 2026-11-24).md"},
		{"d/b.md", Space, "d/b (conflict from space 2026-11-24 3).md"},
		{"d.x/README", Space, "d.x/README (conflict from space 2026-11-24)"},
		{".profile", Space, ".profile (conflict from space 2026-11-24)"},
		{"a.tar.gz", Mirror, "a.tar (conflict from mirror 2026-11-24).gz"},
	} {
		if got := copyName(c.path, c.loser, "2026-11-24", func(p string) bool { return taken[p] }); got != c.want {
			t.Errorf("%s: %q, not %q", c.path, got, c.want)
		}
	}
}

func TestCopyNamesAreNames(t *testing.T) {
	for _, name := range []string{strings.Repeat("x", 255), strings.Repeat("é", 126) + ".md", "x." + strings.Repeat("y", 250), "." + strings.Repeat("z", 254)} {
		n := 0
		got := copyName("d/"+name, Mirror, "2026-11-24", func(string) bool { n++; return n < 12 })
		if _, base := splitName(got); len(base) > maxName || !utf8.ValidString(got) || !strings.Contains(got, "2026-11-24 12)") {
			t.Errorf("%q has %d bytes", got, len(base))
		}
	}
}
