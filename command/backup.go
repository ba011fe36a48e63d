package command

import (
	"path/filepath"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
)

func backupCommand() *cli.Command {
	return &cli.Command{
		Name:      "backup",
		Usage:     "copy the space as it is now, history and all, to a new file, and verify the copy",
		UsageText: "backup SPACE DEST [--json]",
		Flags:     []cli.Flag{jsonFlag, quietFlag},
		Action: func(c *cli.Context) error {
			return withSpace(c, operands{1, 1, false}, func(s *daemon.Space, _ string, rest []string) error {
				dest, err := filepath.Abs(rest[0])
				if err != nil {
					return err
				}
				r, err := s.Backup(c.Context, dest)
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c, r)
				}
				say(c, "backed up to %s (%d bytes), and verified", r.Path, r.Bytes)
				return nil
			})
		},
	}
}
