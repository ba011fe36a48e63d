package daemon

import (
	"fmt"
	"io"

	"spacefs/conflict"
	"spacefs/materialize"
)

// Lines turns a run's events into lines for people: what a person should know,
// what went wrong, and one line that sums up. What was done at each path is not
// in it: that is what progress and --json are for.
type Lines struct {
	print func(line string)
	told  map[materialize.EventName]int
}

// NewLines hands each line to print.
func NewLines(print func(string)) *Lines { return &Lines{print: print} }

// logLines writes them to w.
func logLines(w io.Writer) *Lines { return NewLines(func(line string) { fmt.Fprintln(w, line) }) }

// mostLines is how many lines of a kind a person reads; --json has them all.
const mostLines = 50

// Tell prints an event's line, if it has one.
func (l *Lines) Tell(e materialize.Event) {
	if l.told == nil {
		l.told = map[materialize.EventName]int{}
	}
	if e.Event == materialize.Completed {
		for name, n := range l.told {
			if n > mostLines {
				l.print(fmt.Sprintf("… and %d more (%s)", n-mostLines, name))
			}
		}
		l.told = nil
	}
	line := lineOf(e)
	if line == "" {
		return
	}
	if e.Event != materialize.Completed {
		if l.told[e.Event]++; l.told[e.Event] > mostLines {
			return
		}
	}
	l.print(line)
}

// Step says nothing.
func (l *Lines) Step() {}

func lineOf(e materialize.Event) string {
	switch e.Event {
	case materialize.Noticed:
		return e.Reason
	case materialize.Contested:
		if e.Attribute != "" {
			return attributeConflict(e)
		}
		if e.Winner == "" {
			return fmt.Sprintf("conflict: %s (%s): left alone (%s)", e.Path, e.Conflict, e.Strategy)
		}
		if e.Winner == conflict.MergedWinner.String() {
			return fmt.Sprintf("conflict: %s (%s): merged; what each side held is in its history", e.Path, e.Conflict)
		}
		where := "in its history"
		if e.Copy != "" {
			where = e.Copy
		}
		return fmt.Sprintf("conflict: %s (%s): %s wins by %s; the other is %s", e.Path, e.Conflict, e.Winner, e.Strategy, where)
	case materialize.Errored:
		if e.Path != "" { // without one it is the command's error, and said as that
			return "failed: " + e.Path + ": " + e.Reason
		}
	case materialize.Completed:
		return summary(e)
	}
	return ""
}

// attributeConflict tells of one about an extended attribute.
func attributeConflict(e materialize.Event) string {
	line := fmt.Sprintf("conflict: %s (attribute %s): ", e.Path, e.Attribute)
	lost := map[string]string{"space": e.Mirror, "directory": e.Space}
	switch other, won := lost[e.Winner]; {
	case !won:
		return line + fmt.Sprintf("left alone (%s)", e.Strategy)
	case other == "":
		return line + fmt.Sprintf("%s wins by %s; the other had removed it", e.Winner, e.Strategy)
	default:
		return line + fmt.Sprintf("%s wins by %s; the other was %s", e.Winner, e.Strategy, other)
	}
}

// summary is one line for a whole run. One that ended in an error has none: the
// error says it.
func summary(e materialize.Event) string {
	switch e.Outcome {
	case materialize.OutcomeStopped, materialize.OutcomeFailed, materialize.OutcomeInterrupted:
		return ""
	}
	n := e.Counts
	switch e.Kind {
	case "sync", "apply":
		return syncSummary(e)
	case "export":
		return exportSummary(e)
	case "import":
		line := fmt.Sprintf("imported %d (%d bytes), unchanged %d, skipped %d, failed %d", n["imported"], n["bytes"], n["unchanged"], n["skipped"], n["failed"])
		return line + counted(n, "edited", "vanished")
	case "undo":
		return undoSummary(e)
	case "restore":
		verb := "restored"
		if e.DryRun {
			verb = "would restore"
		}
		return fmt.Sprintf("%s %d, unchanged %d, failed %d", verb, n["restored"], n["unchanged"], n["failed"])
	}
	return fmt.Sprintf("%s: %s", e.Kind, e.Outcome)
}

func exportSummary(e materialize.Event) string {
	n, verb := e.Counts, "exported"
	if e.DryRun {
		verb = "would export"
	}
	line := fmt.Sprintf("%s %d documents (%d bytes), %d directories, %d symlinks, failed %d", verb, n["documents"], n["bytes"], n["directories"], n["symlinks"], n["failed"])
	return line + counted(n, "unchanged", "removed", "left")
}

// counted is those counts that are not 0.
func counted(n map[string]int64, names ...string) (text string) {
	for _, name := range names {
		if n[name] != 0 {
			text += fmt.Sprintf(", %s %d", name, n[name])
		}
	}
	return text
}

func undoSummary(e materialize.Event) string {
	n := e.Counts
	if e.Run == 0 && n["failed"] == 0 {
		return "nothing to take back"
	}
	line := fmt.Sprintf("took %d paths back", n["undone"])
	if n["failed"] > 0 {
		line += fmt.Sprintf(", left %d as they are", n["failed"])
	}
	if e.Run != 0 {
		line += fmt.Sprintf("; this is run %d, and can be undone too", e.Run)
	}
	return line
}

func syncSummary(e materialize.Event) string {
	n := e.Counts
	what := "nothing to do"
	if n["to_mirror"]+n["to_space"]+n["failed"] > 0 {
		what = fmt.Sprintf("%d to the mirror, %d to the space", n["to_mirror"], n["to_space"])
	}
	if n["failed"] > 0 {
		what += fmt.Sprintf(", %d failed", n["failed"])
	}
	if n["unresolved"] > 0 {
		what += fmt.Sprintf(", %d unresolved", n["unresolved"])
	}
	verb := "synced"
	switch {
	case e.DryRun:
		verb = "would sync"
	case e.Kind == "apply":
		verb = "applied to"
	}
	return fmt.Sprintf("%s %s: %s (%d ms)", verb, e.Directory, what, e.Millis)
}
