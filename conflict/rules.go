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
	NewerWins     Strategy = iota // the later modification; at the same time, the space
	SpaceWins                     // always the space
	DirectoryWins                 // always the mirror
	Manual                        // nobody: recorded and shown until it is resolved
	Skip                          // nobody: reported by this run
)

var strategies = [...]string{"newer_wins", "space_wins", "directory_wins", "manual", "skip"}

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
)

func (w Winner) String() string { return [...]string{"", "space", "directory"}[w] }

// side is the winner's; it must not be asked of NoWinner.
func (w Winner) side() Side {
	if w == DirectoryWinner {
		return Mirror
	}
	return Space
}

// Rules are what a user may decide about a sync.
type Rules struct {
	Direction     Direction
	Strategies    []Strategy // tried in order; none means newer_wins
	DeleteOrphans bool       // one-way: remove what only the destination has
}

// pick decides who wins a conflict. It is the only place that does.
//
// An edit outlives a deletion unless a side was told to win: nobody knows when
// something was deleted, so newer_wins cannot compare.
func (s Strategy) pick(c Conflict) Winner {
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
	}
	return NoWinner
}

// resolve goes down the chain until somebody wins or a strategy says to leave
// the conflict alone.
func (r Rules) resolve(c Conflict) (Strategy, Winner) {
	chain := r.Strategies
	if len(chain) == 0 {
		chain = []Strategy{NewerWins}
	}
	last := chain[0]
	for _, s := range chain {
		last = s
		if w := s.pick(c); w != NoWinner || s == Manual || s == Skip {
			return s, w
		}
	}
	return last, NoWinner
}
