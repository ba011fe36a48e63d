package merge

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestTextsMerge(t *testing.T) {
	for _, c := range []struct {
		what, base, space, mirror, want string
		conflicts                       int
	}{
		{"changes far apart", "a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\n", "A\nb\nc\nD\n", 0},
		{"the same change on both sides", "a\nb\nc\n", "a\nB\nc\n", "a\nB\nc\n", "a\nB\nc\n", 0},
		{"the same change, and one more", "a\nb\nc\nd\n", "a\nB\nc\nd\n", "a\nB\nc\nD\n", "a\nB\nc\nD\n", 0},
		{"different changes of one line", "a\n", "s\n", "m\n", "<<<<<<< S\ns\n=======\nm\n>>>>>>> M\n", 1},
		{"changes that touch", "a\nb\nc\n", "A\nb\nc\n", "a\nB\nc\n", "<<<<<<< S\nA\nb\n=======\na\nB\n>>>>>>> M\nc\n", 1},
		{"both append", "a\n", "a\ns\n", "a\nm\n", "a\n<<<<<<< S\ns\n=======\nm\n>>>>>>> M\n", 1},
		{"deleted here, edited there", "a\nb\nc\n", "a\nc\n", "a\nB\nc\n", "a\n<<<<<<< S\n=======\nB\n>>>>>>> M\nc\n", 1},
		{"CRLF stays", "a\r\nb\r\nc\r\n", "A\r\nb\r\nc\r\n", "a\r\nb\r\nC\r\n", "A\r\nb\r\nC\r\n", 0},
		{"markers end as the lines do", "a\r\n", "s\r\n", "m\r\n", "<<<<<<< S\r\ns\r\n=======\r\nm\r\n>>>>>>> M\r\n", 1},
		{"no newline at the end", "a\nb\nc", "A\nb\nc", "a\nb\nc\n", "A\nb\nc\n", 0},
		{"a newline at the end is a change", "a", "a\n", "b", "<<<<<<< S\na\n=======\nb\n>>>>>>> M\n", 1},
		{"a byte order mark", "a\nb\nc\n", "\ufeffa\nb\nc\n", "a\nb\nC\n", "\ufeffa\nb\nC\n", 0},
		{"nothing is a text too", "", "", "m\n", "m\n", 0},
		{"both made it from nothing", "", "s\n", "m\n", "<<<<<<< S\ns\n=======\nm\n>>>>>>> M\n", 1},
		{"both emptied it", "a\nb\n", "", "", "", 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			got, err := Texts([]byte(c.base), []byte(c.space), []byte(c.mirror), Labels{"S", "M"})
			if err != nil || string(got.Text) != c.want || got.Conflicts != c.conflicts {
				t.Errorf("%q with %d conflicts (%v), not %q", got.Text, got.Conflicts, err, c.want)
			}
		})
	}
}

func TestBinaryAndHugeContentsAreNotMerged(t *testing.T) {
	for what, c := range map[string]struct {
		content []byte
		want    bool
	}{
		"text":          {[]byte("a\n"), true},
		"nothing":       {nil, true},
		"Latin-1":       {[]byte("na\xefve\n"), true},
		"a NUL":         {[]byte("a\x00b"), false},
		"UTF-16":        {[]byte("\xff\xfea\x00\n\x00"), false},
		"a NUL far off": {append(bytes.Repeat([]byte("a"), 100000), 0), false},
		"huge":          {bytes.Repeat([]byte("a"), MaxSize+1), false},
	} {
		if Mergeable(c.content) != c.want {
			t.Errorf("%s: mergeable is %v", what, !c.want)
		}
	}
}

// Two long texts of the same few lines in another order are the worst there is.
func TestTextsThatAreTooDifferentAreNotMerged(t *testing.T) {
	shuffled := func(step int) []byte {
		var b strings.Builder
		for i := range 30011 {
			fmt.Fprintf(&b, "%d\n", i*step%30011)
		}
		return []byte(b.String())
	}
	_, err := Texts(shuffled(1), shuffled(7919), shuffled(1), Labels{})
	if !errors.Is(err, ErrTooDifferent) {
		t.Errorf("it is %v", err)
	}
}

func FuzzTexts(f *testing.F) {
	f.Add("a\nb\n", "a\nc\n", "b\n")
	f.Add("a\r\nb", "\ufeffa\r\nb\r\n", "")
	f.Add("\n\n\n}\n\n", "}\n}\n\n\n", "\n}\n")
	f.Fuzz(func(t *testing.T, base, space, mirror string) {
		merged := func(base, space, mirror string) Result {
			r, err := Texts([]byte(base), []byte(space), []byte(mirror), Labels{"S", "M"})
			if err != nil && !errors.Is(err, ErrTooDifferent) {
				t.Fatal(err)
			}
			return r
		}
		merged(base, space, mirror)
		if r := merged(base, space, base); r.Conflicts != 0 || string(r.Text) != space {
			t.Errorf("only the space changed: %q", r.Text)
		}
		if r := merged(base, base, mirror); r.Conflicts != 0 || string(r.Text) != mirror {
			t.Errorf("only the mirror changed: %q", r.Text)
		}
		if r := merged(base, space, space); r.Conflicts != 0 || string(r.Text) != space {
			t.Errorf("both changed alike: %q", r.Text)
		}
	})
}
