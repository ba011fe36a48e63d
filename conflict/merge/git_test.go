package merge

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"spacefs/internal/seed"
	"strconv"
	"strings"
	"testing"
)

// The oracle is git: on random texts the merged bytes, markers included, and the
// number of conflicts must be those of `git merge-file`. SPACEFS_MERGE_ROUNDS
// sets how many.

func TestMergesAreGits(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	count := 300
	if n, err := strconv.Atoi(os.Getenv("SPACEFS_MERGE_ROUNDS")); err == nil {
		count = n
	}
	rnd := rand.New(rand.NewSource(seed.Of(t)))
	dir := t.TempDir()
	var clean, conflicts int
	for i := range count {
		base, space, mirror := drawTexts(rnd)
		want, n := gitMerge(t, dir, base, space, mirror)
		got, err := Texts(base, space, mirror, Labels{"space", "mirror"})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Text, want) || got.Conflicts != n {
			t.Fatalf("case %d: %d conflicts, git %d\nbase   %q\nspace  %q\nmirror %q\ngot  %q\ngit  %q", i, got.Conflicts, n, base, space, mirror, got.Text, want)
		}
		if n == 0 {
			clean++
		} else {
			conflicts++
		}
	}
	t.Logf("%d cases as git does them, %d clean and %d with conflicts", count, clean, conflicts)
}

func gitMerge(t *testing.T, dir string, base, space, mirror []byte) (text []byte, conflicts int) {
	t.Helper()
	path := func(name string, content []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	cmd := exec.Command("git", "merge-file", "-p", "-L", "space", "-L", "base", "-L", "mirror",
		path("space", space), path("base", base), path("mirror", mirror))
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit) && exit.ExitCode() < 128:
		conflicts = exit.ExitCode()
	default:
		t.Fatalf("git merge-file: %v %s", err, stderr.String())
	}
	return text, conflicts
}

// drawTexts makes a base and two edits of it: few distinct lines, so that what
// could match is ambiguous, or many, as in prose; sometimes with other line ends,
// a byte order mark, or no newline at the end.
func drawTexts(rnd *rand.Rand) (base, space, mirror []byte) {
	vocabulary := []int{2, 4, 10, 50, 1000}[rnd.Intn(5)]
	length := rnd.Intn([]int{5, 12, 40, 300}[rnd.Intn(4)])
	word := func() string {
		n := rnd.Intn(vocabulary)
		switch {
		case n == 0:
			return "" // an empty line
		case n == 1:
			return "}"
		}
		return fmt.Sprint("line ", n)
	}
	var lines []string
	for range length {
		lines = append(lines, word())
	}
	edit := func() []string {
		out := append([]string(nil), lines...)
		for range rnd.Intn(6) {
			at := rnd.Intn(len(out) + 1)
			end := min(at+rnd.Intn(4), len(out))
			var in []string
			for range rnd.Intn(4) {
				in = append(in, word())
			}
			out = append(out[:at:at], append(in, out[end:]...)...)
		}
		return out
	}
	spell := func(lines []string, end string, bom, open bool) []byte {
		text := strings.Join(lines, end)
		if len(lines) > 0 && !open {
			text += end
		}
		if bom {
			text = "\ufeff" + text
		}
		return []byte(text)
	}
	ends := "\n"
	if rnd.Intn(4) == 0 {
		ends = "\r\n"
	}
	one := func(lines []string) []byte {
		end := ends
		if rnd.Intn(20) == 0 {
			end = "\r\n"
		}
		return spell(lines, end, rnd.Intn(20) == 0, rnd.Intn(5) == 0)
	}
	return one(lines), one(edit()), one(edit())
}
