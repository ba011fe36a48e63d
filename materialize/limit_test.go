package materialize

import "testing"

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		text         string
		deleted, had int
		stopped      bool
	}{
		{"25%,10", 9, 9, false}, {"25%,10", 10, 12, true}, {"25%,10", 10, 40, false}, {"25%,10", 11, 40, true},
		{"50%", 20, 40, false}, {"50%", 21, 40, true}, {"50%", 9, 9, false},
		{"100", 100, 100, false}, {"100", 101, 100000, true}, {"0", 1, 100000, true}, {"0", 0, 0, false},
		{"0%,3", 3, 1000, true}, {"3,0%", 2, 1000, false}, {"100%", 1000, 1000, false},
	} {
		l, err := ParseLimit(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.check(c.deleted, c.had, "space"); (err != nil) != c.stopped {
			t.Errorf("%s, %d of %d: %v", c.text, c.deleted, c.had, err)
		}
	}
	if (Limit{}).check(10, 12, "space") == nil {
		t.Error("without a limit nothing is stopped")
	}
	for _, text := range []string{"", "%", "x", "-1", "101%", "1%,2%", "1,2,x", "NaN%"} {
		if l, err := ParseLimit(text); err == nil {
			t.Errorf("%q is %+v", text, l)
		}
	}
}
