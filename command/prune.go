package command

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
	"spacefs/spacedb"
)

func pruneCommand() *cli.Command {
	return &cli.Command{
		Name:      "prune",
		Usage:     "remove old revisions, by rules; nothing else ever removes history",
		UsageText: "prune [SPACE] [--keep-last N] [--keep-within AGE] [--keep-hourly N] … [--dry-run]",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "keep-last", Usage: "keep the newest `N` revisions of each document"},
			&cli.StringFlag{Name: "keep-within", Usage: "keep what is younger than `AGE`: 12h, 30d, 1y"},
			&cli.IntFlag{Name: "keep-hourly", Usage: "keep the last revision of each of the newest `N` hours that have one"},
			&cli.IntFlag{Name: "keep-daily", Usage: "the same for `N` days"},
			&cli.IntFlag{Name: "keep-weekly", Usage: "for `N` weeks"},
			&cli.IntFlag{Name: "keep-monthly", Usage: "for `N` months"},
			&cli.IntFlag{Name: "keep-yearly", Usage: "for `N` years"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "say what would go, and do nothing"},
			jsonFlag, quietFlag,
		},
		Action: func(c *cli.Context) error {
			rules, err := keepRules(c)
			if err != nil {
				return usage("prune: %v", err)
			}
			return withSpace(c, operands{}, func(s *daemon.Space, _ string, _ []string) error {
				r, err := s.Prune(c.Context, daemon.PruneRequest{Keep: rules, DryRun: c.Bool("dry-run")})
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c, r)
				}
				if c.Bool("dry-run") {
					for _, d := range r.Documents {
						fmt.Fprintf(c.App.Writer, "%s: %d would go, %d stay\n", shown(d.Path), len(d.Removed), d.Kept)
					}
				}
				verb := "removed"
				if c.Bool("dry-run") {
					verb = "would remove"
				}
				say(c, "%s %d revisions of %d documents, kept %d; %d bytes are free, spacefs compact gives them back", verb, r.Revisions, len(r.Documents), r.Kept, r.Bytes)
				return nil
			})
		},
	}
}

func keepRules(c *cli.Context) (k spacedb.KeepRules, err error) {
	k = spacedb.KeepRules{
		Last: c.Int("keep-last"), Hourly: c.Int("keep-hourly"), Daily: c.Int("keep-daily"), Weekly: c.Int("keep-weekly"),
		Monthly: c.Int("keep-monthly"), Yearly: c.Int("keep-yearly"),
	}
	if age := c.String("keep-within"); age != "" {
		var within time.Duration
		if within, err = spacedb.ParseAge(age); err != nil {
			return k, err
		}
		k.Within = within
	}
	return k, k.Check()
}
