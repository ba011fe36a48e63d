package command

import (
	"github.com/urfave/cli/v2"

	"spacefs/daemon"
)

func mountCommand() *cli.Command {
	return &cli.Command{
		Name:      "mount",
		Usage:     "mount a space as a folder, and keep it in step with its mirrors",
		UsageText: "mount [--mirror DIR]... [--create] [-f] [-o OPTION,...] SPACE DIR",
		Flags: append(syncFlags(),
			&cli.StringSliceFlag{Name: "mirror", Usage: "keep `DIR` in step while it is mounted, and finally; may be given several times"},
			&cli.BoolFlag{Name: "create", Usage: "make the space if it does not exist"},
			&cli.BoolFlag{Name: "foreground", Aliases: []string{"f"}, Usage: "stay in front"},
			&cli.StringSliceFlag{Name: "o", Usage: "mount `OPTION`s: " + ourOptions},
			quietFlag),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 2, 2)
			if err != nil {
				return err
			}
			r := daemon.MountRequest{Space: args[0], Dir: args[1], Create: c.Bool("create")}
			r.Mirrors = c.StringSlice("mirror")
			if err := mountOptions(&r, c.StringSlice("o")); err != nil {
				return err
			}
			if r.Sync, err = syncRequest(c, ""); err != nil {
				return err
			}
			if daemon.InBackground() {
				return daemon.MountAsChild(c.Context, r)
			}
			report := newReporter(c)
			if !c.Bool("foreground") {
				err := daemon.MountInBackground(report)
				report.end()
				return err
			}
			reports, err := daemon.Mount(c.Context, r, report, func() {
				report.end()
				say(c, "mounted %s at %s", r.Space, r.Dir)
			})
			if err != nil {
				return err
			}
			return silent(worst(reports))
		},
	}
}
