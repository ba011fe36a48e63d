package command

import (
	"fmt"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
	"spacefs/spacedb"
)

func runsCommand() *cli.Command {
	return &cli.Command{
		Name:      "runs",
		Usage:     "list what syncs, imports and the like did; of one run, every action",
		UsageText: "runs [SPACE] [RUN] [--json]",
		Flags:     []cli.Flag{jsonFlag},
		Action: func(c *cli.Context) error {
			return withSpace(c, operands{0, 1, false}, func(s *daemon.Space, _ string, rest []string) error {
				if len(rest) > 0 {
					id, err := runNumber(c, rest[0])
					if err != nil {
						return err
					}
					return showRun(c, s, id)
				}
				list, err := s.Runs(c.Context)
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c, list)
				}
				for _, r := range list {
					fmt.Fprintln(c.App.Writer, runLine(r))
				}
				return nil
			})
		},
	}
}

func runNumber(c *cli.Context, text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return 0, usage("%s: %q is no number of a run; see spacefs runs", c.Command.Name, text)
	}
	return id, nil
}

func runLine(r daemon.RunLine) string {
	outcome := r.Outcome
	if r.Finished.IsZero() {
		outcome = "unfinished"
	}
	line := fmt.Sprintf("%5d  %s  %-7s  %-10s  %s", r.ID, r.Started.Local().Format(time.DateTime), r.Kind, outcome, r.Detail)
	if r.Directory != "" {
		line += "  " + r.Directory
	}
	return line
}

func showRun(c *cli.Context, s *daemon.Space, id int64) error {
	run, err := s.Run(c.Context, id)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c, run)
	}
	fmt.Fprintln(c.App.Writer, runLine(run.RunLine))
	for _, a := range run.Actions {
		fmt.Fprintln(c.App.Writer, "  "+actionLine(a))
	}
	return nil
}

// actionLine is an action in one line: what, where, from what to what, and why.
func actionLine(a spacedb.ActionRecord) string {
	line := fmt.Sprintf("%-7s  %-6s  %s", a.Op, a.Side, shown(a.Path))
	changes := attributeChanges(a)
	switch {
	case a.Error != "":
		return line + "   failed: " + shown(a.Error)
	case a.Op == "metadata":
		line += "   " + changes
	case a.Op != "adopt":
		line += fmt.Sprintf("   %s → %s", stateWord(a.Before), stateWord(a.After))
		if changes != "" {
			line += ", " + changes
		}
	}
	line += "   (" + a.Reason
	if a.Lost {
		line += "; what was there lost a conflict"
	}
	return line + ")"
}

// stateWord is what a side held, in a word.
func stateWord(s spacedb.State) string {
	switch s.Mode & spacedb.TypeMask {
	case spacedb.TypeRegular:
		return s.SHA256.String()[:12]
	case spacedb.TypeDir:
		return "directory"
	case spacedb.TypeSymlink:
		return "symlink " + shown(s.Target)
	}
	return "nothing"
}
