package materialize

import (
	"strings"
	"testing"

	"spacefs/conflict"
)

func TestNamesThatTheMirrorTakesForOneAreLeftApart(t *testing.T) {
	p := newPair(t)
	folded := SyncOptions{fold: strings.ToLower}
	p.inSpace("README", "loud")
	p.inSpace("d/x", "1")
	p.sync(folded)
	p.inSpace("readme", "quiet")
	p.inSpace("D/y", "2")
	p.inSpace("other", "goes on")
	for range 2 {
		r := p.sync(folded)
		if len(r.Unresolved) != 2 || r.Unresolved[0].Kind != conflict.NameCollision {
			t.Errorf("unresolved: %+v", r.Unresolved)
		}
	}
	if got := p.mirrorTree(); got != sorted("README=loud 644\nd/ 755\nd/x=1 644\nother=goes on 644") {
		t.Errorf("the mirror holds\n%s", got)
	}
	p.mv(true, "readme", "readme.2")
	p.mv(true, "D/y", "d/y")
	p.inSpace("D", "")
	if r := p.sync(folded); len(r.Unresolved) != 0 {
		t.Errorf("still unresolved: %+v", r.Unresolved)
	}
	p.agree()
}

func TestAFilesystemThatTellsNamesApartDoesNotFold(t *testing.T) {
	p := newPair(t)
	p.sync(SyncOptions{})
	m, err := openMirror(p.store, p.dir)
	p.ok(err)
	defer m.root.Close()
	if m.foldOf() != nil {
		t.Skip("this one folds")
	}
	p.inSpace("a", "1")
	p.inSpace("A", "2")
	p.sync(SyncOptions{})
	p.agree()
}
