package command

import (
	"path/filepath"

	"github.com/urfave/cli/v2"

	"spacefs/conflict"
	"spacefs/daemon"
)

// syncFlags are what a mount with a mirror understands too.
func syncFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "direction", Usage: "`WHICH` way: bidirectional, space_to_directory, directory_to_space", Value: "bidirectional"},
		&cli.StringFlag{Name: "resolve", Usage: "`HOW` to end conflicts, a chain of newer_wins, space_wins, directory_wins, manual, skip", Value: "newer_wins"},
		&cli.BoolFlag{Name: "delete-orphans", Usage: "one-way: remove what only the destination has (it stays in history)"},
		&cli.BoolFlag{Name: "accept-deletes", Usage: "go on although much would be deleted"},
	}
}

func syncRequest(c *cli.Context, dir string) (r daemon.SyncRequest, err error) {
	r.DeleteOrphans, r.AcceptDeletes = c.Bool("delete-orphans"), c.Bool("accept-deletes")
	if r.Direction, err = conflict.ParseDirection(c.String("direction")); err != nil {
		return r, usage("%s: %v", c.Command.Name, err)
	}
	if r.Strategies, err = conflict.ParseStrategies(c.String("resolve")); err != nil {
		return r, usage("%s: %v", c.Command.Name, err)
	}
	if r.DeleteOrphans && r.Direction == conflict.Bidirectional {
		return r, usage("%s: --delete-orphans needs a one-way --direction: both ways, nothing is an orphan", c.Command.Name)
	}
	if dir != "" {
		r.Dir, err = filepath.Abs(dir)
	}
	return r, err
}

func syncCommand() *cli.Command {
	return &cli.Command{
		Name:      "sync",
		Usage:     "bring the space and a directory, its mirror, into agreement",
		UsageText: "sync SPACE [DIR] [--direction WHICH] [--resolve HOW] [--dry-run] [--delete-orphans] [--accept-deletes]",
		Flags: append(syncFlags(),
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "say what would be done, and do nothing"},
			eventsFlag, quietFlag),
		Action: func(c *cli.Context) error {
			return withSpace(c, operands{0, 1, true}, func(s *daemon.Space, _ string, rest []string) error {
				dir := ""
				if len(rest) > 0 {
					dir = rest[0]
				}
				r, err := syncRequest(c, dir)
				if err != nil {
					return err
				}
				r.DryRun = c.Bool("dry-run")
				report := newReporter(c)
				reports, err := s.Sync(c.Context, r, report)
				report.end()
				if err != nil {
					return err
				}
				return silent(worst(reports))
			})
		},
	}
}

// worst is how several syncs end together: who failed in part failed most.
func worst(reports []daemon.SyncReport) daemon.Class {
	worst := daemon.Done
	for _, r := range reports {
		if class := r.Class(); worst == daemon.Done || class == daemon.Partial {
			worst = class
		}
	}
	return worst
}
