package command

import (
	"path/filepath"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
	"spacefs/fusefs"
)

func unmountCommand() *cli.Command {
	return &cli.Command{
		Name:      "unmount",
		Aliases:   []string{"umount"},
		Usage:     "unmount a space, wait for the final sync and show its result",
		UsageText: "unmount [--lazy] DIR",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "lazy", Aliases: []string{"z"}, Usage: "also if it is in use: out of sight at once, and over when it is not in use any more"},
			eventsFlag, quietFlag},
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 1, 1)
			if err != nil {
				return err
			}
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			if healed, err := healed(c, dir); healed || err != nil {
				return err
			}
			if p, err := filepath.EvalSymlinks(dir); err == nil {
				dir = p
			}
			space, mountpoint, ok := daemon.MountedAt(dir)
			if !ok || mountpoint != dir {
				return &daemon.Error{Class: daemon.Failed, Text: "no space is mounted at " + args[0]}
			}
			s, err := daemon.Connect(space)
			if err != nil {
				return err
			}
			defer s.Close()
			report := newReporter(c)
			reports, err := s.Unmount(c.Context, c.Bool("lazy"), report)
			report.end()
			if err != nil {
				// The daemon may have died while it was asked.
				if healed, _ := healed(c, dir); healed {
					return nil
				}
				return err
			}
			return silent(worst(reports))
		},
	}
}

// healed clears a mount away whose daemon is gone.
func healed(c *cli.Context, dir string) (bool, error) {
	healed, err := fusefs.Heal(dir)
	if healed && err == nil {
		say(c, "%s was a dead mount: its daemon is gone. What it had made durable is in the space; the next mount syncs it", dir)
	}
	return healed, err
}
