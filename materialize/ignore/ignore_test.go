package ignore

import (
	"bytes"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"spacefs/internal/seed"
	"strings"
	"testing"
	"time"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		patterns string
		path     string
		dir      bool
		want     bool
	}{
		{"*.tmp", "a/b.tmp", false, true},
		{"*.tmp", "a/b.tmpx", false, false},
		{"/a", "a", false, true},
		{"/a", "b/a", false, false},
		{"a/b", "x/a/b", false, false},
		{"**/a/b", "x/a/b", false, true},
		{"a/**", "a", true, false},
		{"a/**", "a/b/c", false, true},
		{"a/**/z", "a/z", false, true},
		{"a/***/z", "a/b/c/z", false, true},
		{"a**/b", "ab", false, false},
		{"a**/b", "ax/b", false, true},
		{"a**/b", "a/x/b", false, false},
		{"a/**/z", "a/b/c/z", false, true},
		{"build/", "build", false, false},
		{"build/", "build", true, true},
		{"build/", "x/build/y", false, true},
		{"*\n!keep", "keep", false, false},
		{"/d\n!/d/keep", "d/keep", false, true},
		{"# no\n\n", "# no", false, false},
		{`\#yes`, "#yes", false, true},
		{`\!yes`, "!yes", false, true},
		{"a ", "a", false, true},
		{`a\ `, "a ", false, true},
		{"[a-c]?.m[!d]", "b1.mx", false, true},
		{"[a-c]?.m[!d]", "b1.md", false, false},
		{"[[:digit:]]x", "7x", false, true},
		{"[", "[", false, false},
		{"\xff*", "\xffabc", false, true},
	} {
		p, err := Parse(strings.Split(c.patterns, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Covers(c.path, c.dir); got != c.want {
			t.Errorf("%q covers %q: %v", c.patterns, c.path, got)
		}
	}
	if _, err := Parse([]string{"a\x00"}); err == nil {
		t.Error("a pattern with NUL is taken")
	}
}

// A pattern made to be slow is not.
func TestNoPatternIsSlow(t *testing.T) {
	p, err := Parse([]string{strings.Repeat("*a", 1000) + "b", strings.Repeat("**/a/", 500) + "b"})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	p.Covers(strings.Repeat("a", 255), false)
	p.Covers(strings.Repeat("a/", 200)+"c", false)
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

// starsInName finds the one kind of pattern in which git does not do what
// gitignore(5) says, and we do: "a**" is "a*". Git compares the letters before
// the first wildcard by themselves and takes what is left, "**", for the name of
// any number of directories, so that for it "a**/b" covers "ab".
var starsInName = regexp.MustCompile(`[^/*!]\*\*+(/| *$)`)

// Git is the reference: random patterns on random paths, and the same answers.
func TestAsGitDoes(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	r := rand.New(rand.NewSource(seed.Of(t)))
	pick := func(from []string) string { return from[r.Intn(len(from))] }
	names := []string{"a", "b", "ab", "a.md", "b.md", "#a", "!b", "a b"}
	dir := t.TempDir()
	git := func(input string, args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		cmd.Stdin = strings.NewReader(input)
		var out bytes.Buffer
		cmd.Stdout = &out
		_ = cmd.Run() // 1: nothing is ignored
		return out.String()
	}
	git("", "init", "-q")
	var paths []string
	for _, x := range names {
		paths = append(paths, x)
		for _, y := range names[:5] {
			paths = append(paths, "d/"+x+"/"+y, "d/e/"+x)
		}
	}
	for range 40 {
		var lines []string
		for range 1 + r.Intn(4) {
			var b strings.Builder
			b.WriteString(pick([]string{"", "", "", "!", "/", "**/", `\`}))
			for range 1 + r.Intn(3) {
				b.WriteString(pick([]string{"a", "b", "*", "**", "?", ".md", "[ab]", "[!a]", "/", "d/", "e", "/**/", "*.md"}))
			}
			b.WriteString(pick([]string{"", "", "", "/", "/**", " "}))
			if !starsInName.MatchString(b.String()) {
				lines = append(lines, b.String())
			}
		}
		if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		for _, p := range strings.Split(git(strings.Join(paths, "\x00")+"\x00", "check-ignore", "-z", "--stdin", "--no-index"), "\x00") {
			want[p] = true
		}
		p, err := Parse(lines)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if got := p.Covers(path, false); got != want[path] {
				t.Errorf("%q covers %q: %v, git says %v", lines, path, got, want[path])
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a/**/b\n!x", "a/b")
	f.Fuzz(func(t *testing.T, patterns, path string) {
		p, err := Parse(strings.Split(patterns, "\n"))
		if err == nil {
			p.Covers(path, true)
		}
	})
}
