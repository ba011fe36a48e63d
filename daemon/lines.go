package daemon

import (
	"fmt"

	"spacefs/materialize"
)

// Lines is a report for people: what went wrong, then one line that sums up.
func (r SyncReport) Lines() []string {
	lines := first(r.Notices, func(n string) string { return n })
	lines = append(lines, first(r.Conflicts, ConflictLine.line)...)
	lines = append(lines, first(r.Failed, func(f materialize.PathError) string { return "failed: " + f.Error() })...)
	return append(lines, r.summary())
}

func (c ConflictLine) line() string {
	if c.Winner == "" {
		return fmt.Sprintf("conflict: %s (%s): left alone (%s)", c.Path, c.Kind, c.Strategy)
	}
	return fmt.Sprintf("conflict: %s (%s): %s wins by %s; the other is in its history", c.Path, c.Kind, c.Winner, c.Strategy)
}

// first is the beginning of a list that may be very long: a person reads so
// many lines, and --json has them all.
func first[T any](list []T, line func(T) string) (lines []string) {
	const most = 50
	for _, item := range list[:min(len(list), most)] {
		lines = append(lines, line(item))
	}
	if more := len(list) - most; more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more like this", more))
	}
	return lines
}

func (r SyncReport) summary() string {
	failed := map[string]bool{}
	for _, f := range r.Failed {
		failed[f.Path] = true
	}
	counts := map[string]int{}
	for _, a := range r.Actions {
		if !failed[a.Path] {
			counts[a.Side]++
		}
	}
	what := "nothing to do"
	if len(r.Actions) > 0 {
		what = fmt.Sprintf("%d to the mirror, %d to the space", counts["mirror"], counts["space"])
	}
	if len(r.Failed) > 0 {
		what += fmt.Sprintf(", %d failed", len(r.Failed))
	}
	if r.Unresolved > 0 {
		what += fmt.Sprintf(", %d unresolved", r.Unresolved)
	}
	verb := "synced"
	if r.DryRun {
		verb = "would sync"
	}
	return fmt.Sprintf("%s %s: %s (%d ms)", verb, r.Mirror, what, r.Millis)
}
