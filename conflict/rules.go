package conflict

import (
	"fmt"
	"strings"
)

// Direction says which sides a sync may change.
type Direction uint8

const (
	Bidirectional Direction = iota
	SpaceToDirectory
	DirectoryToSpace
)

var directions = [...]string{"bidirectional", "space_to_directory", "directory_to_space"}

func (d Direction) String() string { return directions[d] }

// source is the side that a one-way sync must not change.
func (d Direction) source() (Side, bool) {
	switch d {
	case SpaceToDirectory:
		return Space, true
	case DirectoryToSpace:
		return Mirror, true
	}
	return 0, false
}

// ParseDirection reads a direction; "-" and "_" are the same.
func ParseDirection(text string) (Direction, error) {
	for d, name := range directions {
		if strings.ReplaceAll(text, "-", "_") == name {
			return Direction(d), nil
		}
	}
	return 0, fmt.Errorf("no direction is called %q; there are %s", text, strings.Join(directions[:], ", "))
}

// Strategy is a way to end a conflict.
type Strategy uint8

const (
	Merge         Strategy = iota // both changes, where they are text and do not touch
	NewerWins                     // the later modification; at the same time, the space
	SpaceWins                     // always the space
	DirectoryWins                 // always the mirror
	KeepBoth                      // the newer one, and the other under a copy name beside it
	Manual                        // nobody: recorded and shown until it is resolved
	Skip                          // nobody: reported by this run
)

// Usual is the chain that ends conflicts when none is named.
var Usual = []Strategy{Merge, NewerWins}

var strategies = [...]string{"merge", "newer_wins", "space_wins", "directory_wins", "keep_both", "manual", "skip"}

func (s Strategy) String() string { return strategies[s] }

// ParseStrategies reads a comma-separated chain.
func ParseStrategies(text string) ([]Strategy, error) {
	var chain []Strategy
words:
	for _, word := range strings.Split(text, ",") {
		for s, name := range strategies {
			if strings.ReplaceAll(strings.TrimSpace(word), "-", "_") == name {
				chain = append(chain, Strategy(s))
				continue words
			}
		}
		return nil, fmt.Errorf("no strategy is called %q; there are %s", word, strings.Join(strategies[:], ", "))
	}
	return chain, nil
}

// Winner is whose content stands.
type Winner uint8

const (
	NoWinner Winner = iota
	SpaceWinner
	DirectoryWinner
	MergedWinner // neither side's as it was: both changes in one
)

func (w Winner) String() string { return [...]string{"", "space", "directory", "merged"}[w] }

// side is the winner's; it must not be asked of NoWinner or MergedWinner.
func (w Winner) side() Side {
	if w == DirectoryWinner {
		return Mirror
	}
	return Space
}

// Rules are what a user may decide about a sync, and what the decision has to
// ask of the world.
type Rules struct {
	Direction     Direction
	Strategies    []Strategy // tried in order; none means Usual
	DeleteOrphans bool       // one-way: remove what only the destination has

	// Merge merges the contents of two files that differ and says whether that went
	// cleanly; nil: nothing can be merged. Of the result, hash and size count.
	Merge func(path string, base, space, mirror Entry) (Entry, bool) `json:"-"`
	// Stamp tells when a copy was made that keep_both keeps: a date.
	Stamp string `json:"-"`
	// Taken says whether a side holds something at a path that the trees, being
	// pruned, need not show; nil: they show everything.
	Taken func(path string) bool `json:"-"`
	// Fold is what the mirror's filesystem compares of a name, if it takes different
	// names for one; nil: it does not. The trees must then also show what the mirror
	// holds under a name that folds to one they show.
	Fold func(name string) string `json:"-"`
	// Hold says that something at or below a path could not be looked at; nil: all
	// was.
	Hold func(path string) bool `json:"-"`
	// NoMoves: a move is a deletion and a creation.
	NoMoves bool `json:"-"`
}

// pick decides who wins a conflict. It is the only place that does.
//
// An edit outlives a deletion unless a side was told to win: nobody knows when
// something was deleted, so newer_wins cannot compare.
func (s Strategy) pick(c Conflict, r Rules) Winner {
	switch s {
	case SpaceWins:
		return SpaceWinner
	case DirectoryWins:
		return DirectoryWinner
	case NewerWins:
		switch {
		case c.Mirror.Kind == Absent:
			return SpaceWinner
		case c.Space.Kind == Absent:
			return DirectoryWinner
		case c.Mirror.Mtime > c.Space.Mtime:
			return DirectoryWinner
		}
		return SpaceWinner
	case Merge:
		if _, clean := r.merged(c); clean {
			return MergedWinner
		}
	case KeepBoth:
		switch {
		case r.Direction != Bidirectional: // the copy would have to be on both sides
			return NoWinner
		case c.Space.Kind == Directory: // what is in it stays where it is
			return SpaceWinner
		case c.Mirror.Kind == Directory:
			return DirectoryWinner
		}
		return NewerWins.pick(c, r)
	}
	return NoWinner
}

// resolve goes down the chain until somebody wins or a strategy says to leave
// the conflict alone.
func (r Rules) resolve(c Conflict) (Strategy, Winner) {
	chain := r.Strategies
	if len(chain) == 0 {
		chain = Usual
	}
	last := chain[0]
	for _, s := range chain {
		last = s
		if w := s.pick(c, r); w != NoWinner || s == Manual || s == Skip {
			return s, w
		}
	}
	return last, NoWinner
}
