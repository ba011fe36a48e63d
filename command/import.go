package command

import (
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
	"spacefs/materialize"
)

func importCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "bring everything below a directory into the space",
		UsageText: "import SPACE DIR [--into PATH] [--on-conflict overwrite|skip|rename]",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "into", Usage: "put it below `PATH` of the space"},
			&cli.StringFlag{Name: "on-conflict", Usage: "`HOW` to treat other content at the same path: overwrite (the old stays in history), skip, rename"},
			eventsFlag, quietFlag,
		},
		Action: func(c *cli.Context) error {
			how, err := materialize.ParseOnConflict(c.String("on-conflict"))
			if err != nil {
				return usage("import: %v", err)
			}
			return withSpace(c, operands{1, 1, false}, func(s *daemon.Space, _ string, rest []string) error {
				dir, err := filepath.Abs(rest[0])
				if err != nil {
					return err
				}
				report := newReporter(c)
				result, err := s.Import(c.Context, daemon.ImportRequest{Dir: dir, Into: strings.Trim(c.String("into"), "/"), OnConflict: how}, report)
				report.end()
				if err != nil {
					return err
				}
				return silent(classOf(len(result.Failed)))
			})
		},
	}
}

// classOf is how a run ends of which so many paths failed.
func classOf(failed int) daemon.Class {
	if failed > 0 {
		return daemon.Partial
	}
	return daemon.Done
}
