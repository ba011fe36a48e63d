package command

import (
	"github.com/urfave/cli/v2"

	"spacefs/daemon"
)

func compactCommand() *cli.Command {
	return &cli.Command{
		Name:      "compact",
		Usage:     "give the space file's free pages back; also while it is mounted",
		UsageText: "compact [SPACE] [--json]",
		Flags:     []cli.Flag{jsonFlag, quietFlag},
		Action: func(c *cli.Context) error {
			return withSpace(c, operands{}, func(s *daemon.Space, path string, _ []string) error {
				r, err := s.Compact(c.Context)
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c, r)
				}
				say(c, "%s: %d bytes instead of %d", path, r.After, r.Before)
				return nil
			})
		},
	}
}
