package command

import (
	"path/filepath"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
)

func exportCommand() *cli.Command {
	return &cli.Command{
		Name:      "export",
		Usage:     "write the tree, as it is at one moment, into a new or empty directory",
		UsageText: "export SPACE DIR",
		Flags:     []cli.Flag{eventsFlag, quietFlag},
		Action: func(c *cli.Context) error {
			return withSpace(c, operands{1, 1, false}, func(s *daemon.Space, _ string, rest []string) error {
				dir, err := filepath.Abs(rest[0])
				if err != nil {
					return err
				}
				report := newReporter(c)
				r, err := s.Export(c.Context, dir, report)
				report.end()
				if err != nil {
					return err
				}
				return silent(classOf(len(r.Failed)))
			})
		},
	}
}
