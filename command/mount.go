package command

import (
	"strings"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
)

func mountCommand() *cli.Command {
	return &cli.Command{
		Name:      "mount",
		Usage:     "mount a space as a folder, and keep it in step with a mirror",
		UsageText: "mount [--mirror DIR] [--create] [-f] [-o OPTION,...] SPACE DIR",
		Flags: append(syncFlags(),
			&cli.StringFlag{Name: "mirror", Usage: "sync with `DIR` before mounting and after unmounting"},
			&cli.BoolFlag{Name: "create", Usage: "make the space if it does not exist"},
			&cli.BoolFlag{Name: "foreground", Aliases: []string{"f"}, Usage: "stay in front"},
			&cli.StringSliceFlag{Name: "o", Usage: "mount `OPTION`s: ro, rw, allow_other, debug"},
			quietFlag),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 2, 2)
			if err != nil {
				return err
			}
			r := daemon.MountRequest{Space: args[0], Dir: args[1], Create: c.Bool("create")}
			if r.Sync, err = syncRequest(c, c.String("mirror")); err != nil {
				return err
			}
			if err := mountOptions(&r, c.StringSlice("o")); err != nil {
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

// mountOptions reads -o as mount(8) passes it. What only mount(8) means is let
// through.
func mountOptions(r *daemon.MountRequest, lists []string) error {
	for _, list := range lists {
		for _, o := range strings.Split(list, ",") {
			switch {
			case o == "ro":
				r.ReadOnly = true
			case o == "allow_other":
				r.AllowOther = true
			case o == "debug":
				r.Debug = true
			case o == "rw", o == "defaults", o == "dev", o == "suid", o == "exec", o == "auto", o == "noauto", o == "user", o == "nofail",
				o == "_netdev", o == "", strings.HasPrefix(o, "x-"):
			default:
				return usage("mount: there is no mount option %q; there are ro, rw, allow_other, debug", o)
			}
		}
	}
	return nil
}
