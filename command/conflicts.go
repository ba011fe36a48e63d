package command

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
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
						fmt.Fprintf(c.App.Writer, "%s  (%s)  space: %s  mirror: %s  %s %s\n", k.Path, k.Kind, short(k.Space), short(k.Dir), k.Strategy, winner(k.Winner))
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
	return what
}

func winner(w string) string {
	if w == "" {
		return "→ unresolved"
	}
	return "→ " + w + " won"
}
