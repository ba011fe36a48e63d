package command

import (
	"path/filepath"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
)

func undoCommand() *cli.Command {
	return &cli.Command{
		Name:      "undo",
		Usage:     "take a run back, on both sides; what changed since is left as it is",
		UsageText: "undo SPACE RUN [DIR]",
		Flags:     []cli.Flag{eventsFlag, quietFlag},
		Action: func(c *cli.Context) error {
			return withSpace(c, operands{1, 2, false}, func(s *daemon.Space, _ string, rest []string) (err error) {
				var r daemon.UndoRequest
				if r.Run, err = runNumber(c, rest[0]); err != nil {
					return err
				}
				if len(rest) > 1 {
					if r.Dir, err = filepath.Abs(rest[1]); err != nil {
						return err
					}
				}
				report := newReporter(c)
				result, err := s.Undo(c.Context, r, report)
				report.end()
				if err != nil {
					return err
				}
				return silent(classOf(len(result.Failed)))
			})
		},
	}
}
