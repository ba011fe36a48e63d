package command

import "testing"

func TestShown(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"notes/Käse – 日本 'a'.md":   "notes/Käse – 日本 'a'.md",
		"new\nline\ttab":           `new\nline\ttab`,
		"\x1b[31mred\x07":          `\x1b[31mred\a`,
		"bad\xff\xfe":              `bad\xff\xfe`,
		"\u202egnp.exe":            `\u202egnp.exe`, // would be read backwards
		"replaced \ufffd, not bad": "replaced \ufffd, not bad",
		`back\slash`:               `back\slash`,
	} {
		if got := shown(text); got != want {
			t.Errorf("%q is shown as %s, not %s", text, got, want)
		}
	}
}
