package attributes

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func drawValues(t *rapid.T, label string) map[string]string {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "a", "b", "\xff", strings.Repeat("x", 300)}), rapid.String())
	names := rapid.SampledFrom([]string{"a", "b", "ab", "user.a", "\xc3", "é"})
	return rapid.MapOfN(names, text, 0, 5).Draw(t, label)
}

func TestASetIsItsValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values, other := drawValues(t, "values"), drawValues(t, "other")
		s, o := Of(values), Of(other)
		if !maps.Equal(s.Map(), values) || (s == o) != maps.Equal(values, other) {
			t.Fatalf("%q of %q", s, values)
		}
		if parsed, err := Parse(string(s)); err != nil || parsed != s {
			t.Fatalf("%q is read as %q: %v", s, parsed, err)
		}
		text, err := json.Marshal(s)
		var back Set
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || back != s {
			t.Fatalf("%s is read as %q: %v", text, back, err)
		}
		for _, c := range Changes(s, o) {
			if was, had := values[c.Name]; had != (c.Old != nil) || had && was != *c.Old {
				t.Fatalf("%+v of %q", c, values)
			}
			if delete(values, c.Name); c.New != nil {
				values[c.Name] = *c.New
			}
		}
		if !maps.Equal(values, other) {
			t.Fatalf("the changes lead to %q, not to %q", values, other)
		}
	})
}

// What no Set would be is refused, and does no harm to who does not ask.
func TestAnyTextIsASetOrRefused(t *testing.T) {
	for _, text := range []string{"\x01", "\x01a", "\x01a\x05b", "\x00\x01b", "\x01b\x00\x01a\x00", "\x01a\x00\x01a\x00", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x81\x00a\x00", "\x01\x00\x00"} {
		if s, err := Parse(text); err == nil {
			t.Errorf("%q is taken for %q", text, s.Map())
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		values := Set(text).Map()
		if s, err := Parse(text); err == nil && Of(values) != s {
			t.Fatalf("%q is not as it would be written", text)
		}
	})
}

func TestWords(t *testing.T) {
	for value, want := range map[string]string{
		"":                                  `""`,
		"draft":                             `"draft"`,
		"a\x00b":                            "base64:YQBi",
		strings.Repeat("é", 50):             `"` + strings.Repeat("é", 40) + `"… (100 bytes)`,
		"x" + strings.Repeat("é", 50):       `"x` + strings.Repeat("é", 39) + `"… (101 bytes)`,
		strings.Repeat("\xff", 3) + "plain": "base64:////cGxhaW4=",
	} {
		if got := Word(value); got != want {
			t.Errorf("%q is shown as %s", value, got)
		}
	}
}
