package conflict

import (
	"reflect"
	"testing"
)

func TestWordsMayHaveEitherDash(t *testing.T) {
	for text, want := range map[string]Direction{
		"bidirectional": Bidirectional, "space_to_directory": SpaceToDirectory, "directory-to-space": DirectoryToSpace,
	} {
		if got, err := ParseDirection(text); err != nil || got != want {
			t.Errorf("%q is %v (%v)", text, got, err)
		}
	}
	got, err := ParseStrategies("space-wins, newer_wins,manual")
	if want := []Strategy{SpaceWins, NewerWins, Manual}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v (%v)", got, err)
	}
	if _, err := ParseDirection("up"); err == nil {
		t.Error("a direction that there is not")
	}
	if _, err := ParseStrategies("manual,"); err == nil {
		t.Error("an empty strategy")
	}
}

func TestChainsAreTriedInOrder(t *testing.T) {
	c := Conflict{Space: file("a", 2), Mirror: file("b", 1)}
	for _, test := range []struct {
		chain    []Strategy
		strategy Strategy
		winner   Winner
	}{
		{nil, NewerWins, SpaceWinner},
		{[]Strategy{Merge}, Merge, NoWinner},
		{[]Strategy{KeepBoth}, KeepBoth, SpaceWinner},
		{[]Strategy{DirectoryWins, SpaceWins}, DirectoryWins, DirectoryWinner},
		{[]Strategy{Manual, SpaceWins}, Manual, NoWinner},
		{[]Strategy{Skip}, Skip, NoWinner},
	} {
		s, w := Rules{Strategies: test.chain}.resolve(c)
		if s != test.strategy || w != test.winner {
			t.Errorf("%v: %v wins by %v", test.chain, w, s)
		}
	}
	c.Mirror.Mtime = 2
	if w := NewerWins.pick(c, Rules{}); w != SpaceWinner {
		t.Error("at the same time the space wins")
	}
}

func TestMovesAreNoDeletions(t *testing.T) {
	base := Tree{"a": file("1", 1), "b": file("2", 1), "l": {Kind: Symlink, Target: "a"}}
	space := Tree{"moved": file("1", 1), "m": {Kind: Symlink, Target: "a"}}
	inSpace, inMirror := Reconcile(base, space, base, Rules{}).Deletions()
	if inSpace != 0 || inMirror != 1 {
		t.Errorf("%d deletions in the space and %d in the mirror", inSpace, inMirror)
	}
}
