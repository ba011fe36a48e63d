package command

import (
	"context"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/urfave/cli/v2"

	"spacefs/conflict"
	"spacefs/daemon"
	"spacefs/materialize"
)

// syncFlags are what a mount with a mirror understands too.
func syncFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "direction", Usage: "`WHICH` way: bidirectional, space_to_directory, directory_to_space", Value: "bidirectional"},
		&cli.StringFlag{Name: "resolve", Usage: "`HOW` to end conflicts, a chain of merge, newer_wins, space_wins, directory_wins, keep_both, manual, skip", Value: "merge,newer_wins"},
		&cli.BoolFlag{Name: "delete-orphans", Usage: "one-way: remove what only the destination has (it stays in history)"},
		&cli.BoolFlag{Name: "accept-deletes", Usage: "go on although much would be deleted; an answer for this one sync"},
		&cli.BoolFlag{Name: "metadata", Usage: "extended attributes (user.*), too; a mirror keeps to it until --metadata=false"},
		&cli.StringFlag{Name: "max-delete", Usage: "stop at more deletions than `LIMIT`: 25%, 100, or both as 25%,10", Value: "25%,10"},
	}
}

func syncRequest(c *cli.Context, dir string) (r daemon.SyncRequest, err error) {
	r.DeleteOrphans, r.AcceptDeletes = c.Bool("delete-orphans"), c.Bool("accept-deletes")
	if r.MaxDelete, err = materialize.ParseLimit(c.String("max-delete")); err != nil {
		return r, usage("%s: --max-delete: %v", c.Command.Name, err)
	}
	if r.Direction, err = conflict.ParseDirection(c.String("direction")); err != nil {
		return r, usage("%s: %v", c.Command.Name, err)
	}
	if r.Strategies, err = conflict.ParseStrategies(c.String("resolve")); err != nil {
		return r, usage("%s: %v", c.Command.Name, err)
	}
	if c.IsSet("metadata") {
		metadata := c.Bool("metadata")
		r.Metadata = &metadata
	}
	if r.DeleteOrphans && r.Direction == conflict.Bidirectional {
		return r, usage("%s: --delete-orphans needs a one-way --direction: both ways, nothing is an orphan", c.Command.Name)
	}
	if dir != "" {
		r.Dir, err = filepath.Abs(dir)
	}
	return r, err
}

// withMirror opens the space and says what is asked of a sync with the directory,
// or with every mirror when none is named.
func withMirror(c *cli.Context, fn func(*daemon.Space, daemon.SyncRequest) error) error {
	return withSpace(c, operands{0, 1, true}, func(s *daemon.Space, _ string, rest []string) error {
		dir := ""
		if len(rest) > 0 {
			dir = rest[0]
		}
		r, err := syncRequest(c, dir)
		if err != nil {
			return err
		}
		return fn(s, r)
	})
}

func syncCommand() *cli.Command {
	return &cli.Command{
		Name:      "sync",
		Usage:     "bring the space and a directory, its mirror, into agreement",
		UsageText: "sync SPACE [DIR] [--direction WHICH] [--resolve HOW] [--dry-run] [--watch] [--delete-orphans] [--max-delete LIMIT] [--accept-deletes] [--metadata]",
		Flags: append(syncFlags(),
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "say what would be done, and do nothing"},
			&cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "go on, and keep both in step until Ctrl-C"},
			eventsFlag, quietFlag),
		Action: func(c *cli.Context) error {
			return withMirror(c, func(s *daemon.Space, r daemon.SyncRequest) error {
				r.DryRun = c.Bool("dry-run")
				report := newReporter(c)
				reports, err := syncOrWatch(c, s, r, report)
				report.end()
				if err != nil {
					return err
				}
				return silent(worst(reports))
			})
		},
	}
}

func syncOrWatch(c *cli.Context, s *daemon.Space, r daemon.SyncRequest, report materialize.Reporter) ([]daemon.SyncReport, error) {
	if !c.Bool("watch") {
		return s.Sync(c.Context, r, report)
	}
	if r.DryRun {
		return nil, usage("sync: --watch and --dry-run do not go together")
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second one ends the process
	return s.Watch(ctx, r, report)
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
