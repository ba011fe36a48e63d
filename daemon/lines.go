package daemon

import "fmt"

// Lines is a report for people: what went wrong, then one line that sums up.
func (r SyncReport) Lines() []string {
	var lines []string
	for _, n := range r.Notices {
		lines = append(lines, n)
	}
	for _, c := range r.Conflicts {
		if c.Winner != "" {
			lines = append(lines, fmt.Sprintf("conflict: %s (%s): %s wins by %s; the other is in its history", c.Path, c.Kind, c.Winner, c.Strategy))
		} else {
			lines = append(lines, fmt.Sprintf("conflict: %s (%s): left alone (%s)", c.Path, c.Kind, c.Strategy))
		}
	}
	for _, f := range r.Failed {
		lines = append(lines, "failed: "+f.Error())
	}
	return append(lines, r.summary())
}

func (r SyncReport) summary() string {
	counts := map[string]int{}
	for _, a := range r.Actions {
		counts[a.Side]++
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
