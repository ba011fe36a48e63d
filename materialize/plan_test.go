package materialize

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"spacefs/conflict"
)

// planned is a plan as it comes back from its file.
func (p *pair) planned(rules conflict.Rules) PlanFile {
	p.Helper()
	f, err := MakePlan(p.Context(), p.store, p.dir, rules, nil, silent{})
	p.ok(err)
	return p.written(f)
}

func (p *pair) written(f PlanFile) PlanFile {
	p.Helper()
	text, err := json.Marshal(f)
	p.ok(err)
	back, err := ParsePlan(text)
	p.ok(err)
	return back
}

func TestAPlanIsAppliedExactly(t *testing.T) {
	p := newPair(t)
	for _, name := range []string{"a", "b", "c", "d/e", "\xff"} {
		p.inSpace(name, "base")
	}
	p.sync(SyncOptions{})
	p.inSpace("a", "edited in the space")
	p.inMirror("b", "edited in the mirror")
	p.inMirror("c", "")
	p.inMirror("\xff", "no UTF-8")
	p.inSpace("link", "@target \xfe")
	p.inSpace("d", "a file now")
	f := p.planned(conflict.Rules{})
	p.inMirror("later", "not in the plan")
	r, err := Apply(t.Context(), p.store, f, ApplyOptions{})
	p.ok(err)
	if len(r.Failed) > 0 {
		t.Errorf("failed: %v", r.Failed)
	}
	if strings.Contains(p.spaceTree(), "later") {
		t.Errorf("it did what is not in the plan:\n%s", p.spaceTree())
	}
	p.inMirror("later", "")
	p.agree()
	p.quiet("after the plan")
}

func TestAPlanRefusesWhatChangedSince(t *testing.T) {
	p := newPair(t)
	for _, name := range []string{"a", "b", "c"} {
		p.inSpace(name, "base")
	}
	p.sync(SyncOptions{})
	for _, name := range []string{"a", "b", "c"} {
		p.inMirror(name, "edited")
	}
	f := p.planned(conflict.Rules{})
	p.inMirror("a", "edited again")
	p.inSpace("b", "edited here too")
	r, err := Apply(t.Context(), p.store, f, ApplyOptions{})
	p.ok(err)
	if len(r.Failed) != 2 || r.Failed[0].Path != "a" || r.Failed[1].Path != "b" || r.Failed[0].Cause != errNotAsPlanned.Error() {
		t.Errorf("failed: %v", r.Failed)
	}
	if want := "a=base 644\nb=edited here too 644\nc=edited 644"; p.spaceTree() != want {
		t.Errorf("the space is\n%s", p.spaceTree())
	}
}

func TestAnActionMayBeTakenOutOfAPlan(t *testing.T) {
	p := newPair(t)
	p.inMirror("yes", "1")
	p.inMirror("no", "2")
	p.sync(SyncOptions{Rules: conflict.Rules{Direction: conflict.SpaceToDirectory}}) // the mirror is known, and nothing else
	f := p.planned(conflict.Rules{})
	f.Actions = f.Actions[1:] // "no" is the first
	_, err := Apply(t.Context(), p.store, f, ApplyOptions{})
	p.ok(err)
	if want := "yes=1 644"; p.spaceTree() != want {
		t.Errorf("the space is\n%s", p.spaceTree())
	}
}

func TestAPlanBeforeTheFirstSyncNeedsItsDirectoryNamed(t *testing.T) {
	p := newPair(t)
	p.inMirror("a", "1")
	f := p.planned(conflict.Rules{})
	f.Directory = "/etc" // believed by nobody
	var guard *GuardError
	if _, err := Apply(t.Context(), p.store, f, ApplyOptions{}); !errors.As(err, &guard) {
		t.Errorf("got %v", err)
	}
	_, err := Apply(t.Context(), p.store, f, ApplyOptions{Dir: p.dir})
	p.ok(err)
	p.agree()
	if _, err := Apply(t.Context(), p.store, f, ApplyOptions{Dir: p.dir}); !errors.As(err, &guard) {
		t.Errorf("applied twice: %v", err)
	}
}

func TestAPlanOfAnotherSpaceOrMirrorIsRefused(t *testing.T) {
	p, other := newPair(t), newPair(t)
	p.inMirror("a", "1")
	p.sync(SyncOptions{})
	other.sync(SyncOptions{})
	f := p.planned(conflict.Rules{})
	var guard *GuardError
	if _, err := Apply(t.Context(), other.store, f, ApplyOptions{}); !errors.As(err, &guard) || !strings.Contains(err.Error(), "another space") {
		t.Errorf("another space: %v", err)
	}
	second := t.TempDir()
	if _, err := Apply(t.Context(), p.store, f, ApplyOptions{Dir: second}); !errors.As(err, &guard) || !strings.Contains(err.Error(), "is not the mirror") {
		t.Errorf("another mirror: %v", err)
	}
	f.Mirror = "0190"
	if _, err := Apply(t.Context(), p.store, f, ApplyOptions{}); !errors.As(err, &guard) || !strings.Contains(err.Error(), "has no mirror 0190") {
		t.Errorf("unknown mirror: %v", err)
	}
}

func TestBadPlansAreRefusedInOneLine(t *testing.T) {
	p := newPair(t)
	p.inMirror("a", "1")
	f := p.planned(conflict.Rules{})
	good, err := json.Marshal(f)
	p.ok(err)
	replace := func(old, new string) string {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("no %s in %s", old, good)
		}
		return strings.ReplaceAll(string(good), old, new)
	}
	for want, text := range map[string]string{
		"it is empty":                      "",
		"it ends in the middle":            string(good[:len(good)/2]),
		"something follows its end":        string(good) + "{}",
		"its format is 0":                  "{}",
		"its format is 2":                  replace(`"spacefs_plan":1`, `"spacefs_plan":2`),
		"unknown field":                    replace(`"op":`, `"exec":`),
		"is no path below a root":          replace(`"path":"a"`, `"path":"../a"`),
		`"/etc/passwd" is no path below`:   replace(`"path":"a"`, `"path":"/etc/passwd"`),
		`"b/../../a" is no path`:           replace(`"path":"a"`, `"path":"b/../../a"`),
		`"" is no path`:                    replace(`"path":"a",`, ``),
		`is spacefs' own`:                  replace(`"path":"a"`, `"path":".spacefs/mirror"`),
		`no action is called "format"`:     replace(`"op":"write"`, `"op":"format"`),
		`no side is called "outside"`:      replace(`"side":"space"`, `"side":"outside"`),
		`no kind is called "socket"`:       replace(`"kind":"file"`, `"kind":"socket"`),
		`is no hash`:                       replace(`"sha256":"`, `"sha256":"zz`),
		`is more than permissions`:         replace(`"mode":420`, `"mode":2541`),
		`no direction is called "up"`:      replace(`"direction":"bidirectional"`, `"direction":"up"`),
		`no strategy is called "best"`:     replace(`"resolve":""`, `"resolve":"best"`),
		`"a" has the same action twice`:    replace(`"actions":[`, `"actions":[`+action(good)+","),
		"cannot unmarshal":                 replace(`"actions":[`, `"actions":[7,`),
		"invalid character":                "\x00" + string(good),
		`"a\x00b" is no path below a root`: replace(`"path":"a"`, `"path":"a\u0000b"`),
	} {
		_, err := ParsePlan([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

// action is the first action in a plan file.
func action(plan []byte) string {
	var f struct {
		Actions []json.RawMessage `json:"actions"`
	}
	_ = json.Unmarshal(plan, &f)
	return string(f.Actions[0])
}

// FuzzParsePlan: whatever is in a file, what comes out of it stays below a root
// and is the same when it is written and read again.
func FuzzParsePlan(f *testing.F) {
	f.Add([]byte(`{"spacefs_plan":1,"space":"s","directory":"/d","created":"2026-11-24T00:00:00Z","rules":{"direction":"bidirectional","resolve":""},` +
		`"actions":[{"path":"a/b","op":"write","side":"mirror","want":{"kind":"file","mode":420,"sha256":"` + strings.Repeat("0f", 32) + `"},"reason":"r"},` +
		`{"path_base64":"/w==","op":"symlink","side":"space","want":{"kind":"symlink","target":"Li4v"},"reason":""}],"conflicts":[]}`))
	f.Add([]byte(`{"spacefs_plan":1,"actions":[{"path":"../x"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		plan, err := ParsePlan(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
			return
		}
		actions, _, err := plan.read()
		if err != nil {
			t.Fatal(err)
		}
		for path := range actions {
			if !filepath.IsLocal(path) || strings.HasPrefix(path, stateDir+"/") || path == "." {
				t.Errorf("%q leads elsewhere", path)
			}
		}
		once, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParsePlan(once)
		if err != nil {
			t.Fatalf("written again it cannot be read: %v", err)
		}
		if twice, _ := json.Marshal(again); !bytes.Equal(once, twice) {
			t.Errorf("%s\nis not\n%s", twice, once)
		}
	})
}
