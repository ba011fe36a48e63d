package spacedb

import (
	"fmt"
	"time"
)

// KeepRules say which revisions of a document a prune leaves. A revision stays
// if any rule wants it; with no rule at all, every one does.
type KeepRules struct {
	Last    int           `json:"last,omitempty"`   // the newest so many
	Hourly  int           `json:"hourly,omitempty"` // the last of each of the newest so many hours that have one
	Daily   int           `json:"daily,omitempty"`
	Weekly  int           `json:"weekly,omitempty"` // weeks begin on Monday (ISO 8601)
	Monthly int           `json:"monthly,omitempty"`
	Yearly  int           `json:"yearly,omitempty"`
	Within  time.Duration `json:"within,omitempty"` // whatever is younger
}

// Check refuses rules that mean nothing.
func (k KeepRules) Check() error {
	for _, n := range []int{k.Last, k.Hourly, k.Daily, k.Weekly, k.Monthly, k.Yearly} {
		if n < 0 {
			return fmt.Errorf("keep %d revisions? It must be 0 or more", n)
		}
	}
	switch {
	case k.Within < 0:
		return fmt.Errorf("keep what is younger than %v? It must be 0 or more", k.Within)
	case k == KeepRules{}:
		return fmt.Errorf("say what to keep: without a rule nothing would be left")
	}
	return nil
}

// Keep decides for a document's revisions, given the times at which they were
// made, newest first. Hours and days are those of now's time zone.
func (k KeepRules) Keep(made []time.Time, now time.Time) []bool {
	keep := make([]bool, len(made))
	if k == (KeepRules{}) {
		for i := range keep {
			keep[i] = true
		}
		return keep
	}
	for i, t := range made {
		keep[i] = i < k.Last || k.Within > 0 && now.Sub(t) <= k.Within
	}
	for _, rule := range []struct {
		left int
		span func(time.Time) int
	}{
		{k.Hourly, func(t time.Time) int { return (t.Year()*1000+t.YearDay())*100 + t.Hour() }},
		{k.Daily, func(t time.Time) int { return t.Year()*1000 + t.YearDay() }},
		{k.Weekly, func(t time.Time) int { year, week := t.ISOWeek(); return year*100 + week }},
		{k.Monthly, func(t time.Time) int { return t.Year()*100 + int(t.Month()) }},
		{k.Yearly, time.Time.Year},
	} {
		seen := map[int]bool{} // clocks are set back: a span may come again
		for i, t := range made {
			span := rule.span(t.In(now.Location()))
			if rule.left > 0 && !seen[span] {
				seen[span] = true
				rule.left--
				keep[i] = true
			}
		}
	}
	return keep
}
