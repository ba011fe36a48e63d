package materialize

import (
	"fmt"
	"strconv"
	"strings"
)

// Limit is how much a sync may delete on a side without being asked: it is
// stopped by what is more than Share of the files and at least Count of them. A
// move is not a deletion. The zero value means DefaultLimit.
type Limit struct {
	Share float64 `json:"share"`
	Count int     `json:"count"`
}

// DefaultLimit lets a small space be emptied and a tidying up pass.
var DefaultLimit = Limit{0.25, 10}

// ParseLimit reads a share, a count, or both: "25%", "100", "25%,10". A count
// alone is one whatever its share.
func ParseLimit(text string) (l Limit, err error) {
	l.Count = -1
	share := -1.0
	for _, word := range strings.Split(text, ",") {
		word = strings.TrimSpace(word)
		if percent, ok := strings.CutSuffix(word, "%"); ok && share < 0 {
			share, err = strconv.ParseFloat(percent, 64)
			if err != nil || !(share >= 0 && share <= 100) {
				return l, fmt.Errorf("%q is no percentage", word)
			}
		} else if l.Count, err = strconv.Atoi(word); err != nil || l.Count < 0 || ok {
			return l, fmt.Errorf("%q is neither a percentage nor a number of files", word)
		}
	}
	switch {
	case share < 0: // more than Count, whatever part that is
		l.Count++
		return l, nil
	case l.Count < 0:
		l.Count = DefaultLimit.Count
	}
	l.Share = share / 100
	return l, nil
}

// check stops a plan that would delete much of a side.
func (l Limit) check(deleted, had int, side string) error {
	l = l.orDefault()
	if deleted < max(l.Count, 1) || float64(deleted) <= l.Share*float64(had) {
		return nil
	}
	return &GuardError{
		Reason:    fmt.Sprintf("this would delete %d of the %d files in the %s; look at it with --dry-run, and if it is meant, say --accept-deletes", deleted, had, side),
		Deletions: true,
	}
}

func (l Limit) orDefault() Limit {
	if l == (Limit{}) {
		return DefaultLimit
	}
	return l
}
