package materialize

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spacefs/conflict"
)

func (p *pair) inHistory(texts ...string) {
	p.Helper()
	for _, text := range texts {
		if have, err := p.store.HasContent(sha256.Sum256([]byte(text))); err != nil || !have {
			p.Errorf("%q is not in history (%v)", text, err)
		}
	}
}

func TestTextsThatTwoPeopleEditedAreMerged(t *testing.T) {
	p := newPair(t)
	base := "# Notes\n\nfirst\n\nsecond\n"
	p.inSpace("n.md", base)
	p.sync(SyncOptions{})
	ours, theirs := strings.Replace(base, "first", "FIRST", 1), strings.Replace(base, "second", "SECOND", 1)
	p.inSpace("n.md", ours)
	p.inMirror("n.md", theirs)
	p.ok(os.Chmod(filepath.Join(p.dir, "n.md"), 0o600))
	r := p.sync(SyncOptions{})
	p.agree()
	if got := p.spaceTree(); got != "n.md=# Notes\n\nFIRST\n\nSECOND\n 600" && got != sorted("n.md=# Notes\n\nFIRST\n\nSECOND\n 600\n") {
		t.Errorf("the tree is %s", got)
	}
	if len(r.Plan.Conflicts) != 1 || r.Plan.Conflicts[0].Winner != conflict.MergedWinner {
		t.Errorf("conflicts %+v", r.Plan.Conflicts)
	}
	p.inHistory(base, ours, theirs)
	if r := p.sync(SyncOptions{}); len(r.Plan.Actions) > 0 {
		t.Errorf("another sync does %v", r.Plan.Actions)
	}
}

func TestWhatCannotBeMergedGoesToTheNextStrategy(t *testing.T) {
	for what, texts := range map[string][3]string{
		"the same line":    {"a\n", "s\n", "m\n"},
		"no text":          {"a\x00b\nc\n", "A\x00b\nc\n", "a\x00b\nC\n"},
		"no base":          {"", "a\ns\n", "a\nm\n"},
		"one way, a merge": {"a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n"},
	} {
		t.Run(what, func(t *testing.T) {
			p := newPair(t)
			if texts[0] != "" {
				p.inSpace("f", texts[0])
				p.sync(SyncOptions{})
			}
			p.inSpace("f", texts[1])
			p.inMirror("f", texts[2])
			rules := conflict.Rules{Strategies: []conflict.Strategy{conflict.Merge, conflict.SpaceWins}}
			if strings.HasPrefix(what, "one way") {
				rules.Direction = conflict.SpaceToDirectory
			}
			r := p.sync(SyncOptions{Rules: rules})
			p.agree()
			if len(r.Plan.Conflicts) != 1 || r.Plan.Conflicts[0].Strategy != conflict.SpaceWins {
				t.Errorf("conflicts %+v", r.Plan.Conflicts)
			}
			p.inHistory(texts[1], texts[2])
		})
	}
}

func TestKeepBothKeepsBoth(t *testing.T) {
	today := time.Date(2026, 11, 24, 12, 0, 0, 0, time.Local)
	both := SyncOptions{Rules: conflict.Rules{Strategies: []conflict.Strategy{conflict.KeepBoth}}, Now: func() time.Time { return today }}
	p := newPair(t)
	for _, path := range []string{"f.md", "link", "d/x"} {
		p.inSpace(path, "base")
	}
	p.inSpace("f (conflict from mirror 2026-11-24).md", "taken, and as ever")
	p.sync(both)
	p.inMirror("f.md", "M")
	p.inMirror("link", "@somewhere")
	p.inMirror("d", "a file now")
	old := time.Date(2020, 1, 1, 0, 0, 0, 0, time.Local)
	p.ok(os.Chtimes(filepath.Join(p.dir, "f.md"), old, old))
	p.inSpace("f.md", "S")
	p.inSpace("link", "L")
	p.inSpace("d/y", "Y")
	r := p.sync(both)
	p.agree()
	if len(r.Plan.Conflicts) != 3 || len(r.Unresolved) != 0 {
		t.Errorf("conflicts %+v", r.Plan.Conflicts)
	}
	tree := p.spaceTree()
	for _, want := range []string{
		"f.md=S 644", "f (conflict from mirror 2026-11-24).md=taken, and as ever 644", "f (conflict from mirror 2026-11-24 2).md=M 644",
		"d/x=base 644", "d/y=Y 644", "d (conflict from mirror 2026-11-24)=a file now 644",
	} {
		if !strings.Contains(tree, want) {
			t.Errorf("no %q in\n%s", want, tree)
		}
	}
	if strings.Contains(tree, "link (conflict from mirror 2026-11-24)@somewhere") == strings.Contains(tree, "link (conflict from space 2026-11-24)=L") {
		t.Errorf("one of the links' sides is not kept:\n%s", tree)
	}
	if r := p.sync(both); len(r.Plan.Actions) > 0 {
		t.Errorf("another sync does %v", r.Plan.Actions)
	}
}
