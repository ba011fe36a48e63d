package command

import (
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"spacefs/conflict"
	"spacefs/daemon"
	"spacefs/spacedb"
)

func conflictsCommand() *cli.Command {
	return &cli.Command{
		Name:      "conflicts",
		Usage:     "list unresolved conflicts; exits with 4 when there are any",
		UsageText: "conflicts [SPACE] [--all] [--json]",
		Flags:     []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "those that ended, too"}, jsonFlag},
		Action: func(c *cli.Context) error {
			return withSpace(c, operands{}, func(s *daemon.Space, _ string, _ []string) error {
				list, err := s.Conflicts(c.Context, c.Bool("all"))
				if err != nil {
					return err
				}
				open := daemon.Done
				for _, k := range list {
					if k.Resolved.IsZero() {
						open = daemon.Conflicts
					}
					if !c.Bool("json") {
						showConflict(c.App.Writer, k)
					}
				}
				if c.Bool("json") {
					if err := printJSON(c, list); err != nil {
						return err
					}
				}
				return silent(open)
			})
		},
	}
}

func short(what string) string {
	switch {
	case what == "":
		return "nothing"
	case len(what) == 64:
		return what[:12]
	}
	return shown(what)
}

// conflictWord is what kind a conflict is of.
func conflictWord(kind, attribute string) string {
	if attribute == "" {
		return kind
	}
	return kind + " " + shown(attribute)
}

func showConflict(w io.Writer, k spacedb.ConflictRecord) {
	fmt.Fprintf(w, "%s  (%s)\n", shown(k.Path), conflictWord(k.Kind, k.Attribute))
	for _, side := range []struct{ name, held string }{{"space", k.Space}, {"directory", k.Dir}, {"agreed on", k.Base}} {
		fmt.Fprintf(w, "  %-9s  %s\n", side.name, short(side.held))
	}
	switch {
	case k.Resolved.IsZero():
		fmt.Fprintf(w, "  left by %s in run %d; spacefs resolve %s\n", k.Strategy, k.Run, shown(k.Path))
	case k.Winner == "":
		fmt.Fprintf(w, "  ended by itself, %s\n", k.Resolved.Local().Format(time.DateTime))
	case k.Winner == conflict.MergedWinner.String():
		fmt.Fprintf(w, "  merged in run %d, %s\n", k.Run, k.Resolved.Local().Format(time.DateTime))
	default:
		fmt.Fprintf(w, "  %s won by %s in run %d, %s\n", k.Winner, k.Strategy, k.Run, k.Resolved.Local().Format(time.DateTime))
	}
}
