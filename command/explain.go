package command

import (
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"spacefs/conflict"
	"spacefs/daemon"
	"spacefs/materialize"
	"spacefs/spacedb"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "tell why a path is what it is: both sides, what they agreed on, the last run, and what a sync would do",
		UsageText: "explain [SPACE] PATH [--direction WHICH] [--resolve HOW] [--json]",
		Flags:     append(syncFlags(), jsonFlag),
		Action: func(c *cli.Context) error {
			return withSpace(c, operands{1, 1, true}, func(s *daemon.Space, _ string, rest []string) error {
				r, err := syncRequest(c, "")
				if err != nil {
					return err
				}
				e, err := s.Explain(c.Context, daemon.ExplainRequest{
					Path:     []byte(pathWithin(c, s, rest[0])),
					Rules:    conflict.Rules{Direction: r.Direction, Strategies: r.Strategies, DeleteOrphans: r.DeleteOrphans},
					Metadata: r.Metadata,
				})
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c, e)
				}
				showExplained(c.App.Writer, e)
				return nil
			})
		},
	}
}

func showExplained(w io.Writer, e daemon.Explained) {
	fmt.Fprintln(w, shown(e.Path))
	fmt.Fprintf(w, "  space       %s\n", stateLine(e.Space))
	for _, m := range e.Mirrors {
		fmt.Fprintf(w, "  mirror      %s   (%s)\n", stateLine(m.Mirror), m.Directory)
		fmt.Fprintf(w, "  agreed on   %s\n", stateLine(withoutTime(m.Base)))
		for _, line := range nextLines(m) {
			fmt.Fprintf(w, "  next sync   %s\n", line)
		}
	}
	if e.Last != nil {
		fmt.Fprintf(w, "  last run    %d, %s, %s\n", e.Last.ID, e.Last.Kind, e.Last.Started.Local().Format(time.DateTime))
		for _, a := range e.Actions {
			fmt.Fprintf(w, "              %s\n", actionLine(a))
		}
	}
	if e.Conflict != nil {
		showConflictFound(w, e)
	}
}

func nextLines(m materialize.Explanation) (lines []string) {
	if m.Unsealed {
		lines = append(lines, "waits until nobody writes it any more")
	}
	for _, n := range m.Next {
		switch {
		case n.Event == materialize.Contested && n.Winner == "":
			lines = append(lines, fmt.Sprintf("conflict (%s): left alone (%s)", conflictWord(n.Conflict, n.Attribute), n.Strategy))
		case n.Event == materialize.Contested:
			lines = append(lines, fmt.Sprintf("conflict (%s): %s wins by %s", conflictWord(n.Conflict, n.Attribute), n.Winner, n.Strategy))
		case n.Event == materialize.Errored:
			lines = append(lines, "fails: "+n.Reason)
		case n.Op == "leave":
			lines = append(lines, "leaves it alone ("+n.Reason+")")
		default:
			lines = append(lines, fmt.Sprintf("%s in the %s (%s)", n.Op, n.Side, n.Reason))
		}
	}
	switch {
	case m.Error != "":
		lines = append(lines, "unknown: "+m.Error)
	case len(lines) == 0:
		lines = append(lines, "nothing to do")
	}
	return lines
}

func showConflictFound(w io.Writer, e daemon.Explained) {
	c := e.Conflict
	fmt.Fprintf(w, "  conflict    %s, in run %d: ", conflictWord(c.Kind, c.Attribute), c.Run)
	switch {
	case c.Winner != "":
		fmt.Fprintf(w, "the %s won by %s\n", c.Winner, c.Strategy)
	case c.Resolved.IsZero():
		fmt.Fprintf(w, "unresolved (%s)\n", c.Strategy)
	default:
		fmt.Fprintln(w, "resolved since")
	}
	if l := c.Loser; l != nil {
		fmt.Fprintf(w, "  loser       %s, %d bytes, is in history: spacefs cat %s@%d   (document %s)\n", l.SHA256.String()[:12], l.Size, shown(l.Path), l.Number, l.Document)
	}
}

// stateLine is what a side holds.
func stateLine(s spacedb.State) string {
	if s.Absent() {
		return "nothing"
	}
	line := stateWord(s)
	if s.Mode&spacedb.TypeMask == spacedb.TypeRegular {
		line = "document " + line
	}
	if s.Mode&spacedb.TypeMask != spacedb.TypeSymlink {
		line += fmt.Sprintf(", mode %03o", s.Mode&spacedb.PermMask)
	}
	if list := attributeList(s); list != "" {
		line += ", " + list
	}
	if s.Mtime != 0 {
		line += ", modified " + time.Unix(0, s.Mtime).Local().Format(time.DateTime)
	}
	return line
}

// withoutTime: a base has no time of its own.
func withoutTime(s spacedb.State) spacedb.State {
	s.Mtime = 0
	return s
}
