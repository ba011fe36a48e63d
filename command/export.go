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
		Flags:     []cli.Flag{jsonFlag, quietFlag},
		Action: func(c *cli.Context) error {
			return withSpace(c, operands{1, 1, false}, func(s *daemon.Space, _ string, rest []string) error {
				dir, err := filepath.Abs(rest[0])
				if err != nil {
					return err
				}
				report := newProgress(c)
				r, err := s.Export(c.Context, dir, report)
				report.end()
				if err != nil {
					return err
				}
				for _, n := range r.Notices {
					say(c, "%s", n)
				}
				for _, f := range r.Failed {
					say(c, "failed: %s", f.Error())
				}
				say(c, "exported %d documents (%d bytes), %d directories, %d symlinks, failed %d", r.Documents, r.Bytes, r.Directories, r.Symlinks, len(r.Failed))
				if c.Bool("json") {
					if err := printJSON(c, r); err != nil {
						return err
					}
				}
				if len(r.Failed) > 0 {
					return silent(daemon.Partial)
				}
				return nil
			})
		},
	}
}
