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
			jsonFlag, quietFlag,
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
				report := newProgress(c)
				result, err := s.Import(c.Context, daemon.ImportRequest{Dir: dir, Into: strings.Trim(c.String("into"), "/"), OnConflict: how}, report)
				report.end()
				if err != nil {
					return err
				}
				return showImport(c, result)
			})
		},
	}
}

func showImport(c *cli.Context, r materialize.ImportResult) error {
	for _, n := range r.Notices {
		say(c, "%s", n)
	}
	for _, f := range r.Failed {
		say(c, "failed: %s", f.Error())
	}
	say(c, "imported %d (%d bytes), unchanged %d, skipped %d, failed %d", r.Imported, r.Bytes, r.Unchanged, r.Skipped, len(r.Failed))
	if c.Bool("json") {
		if err := printJSON(c, r); err != nil {
			return err
		}
	}
	if len(r.Failed) > 0 {
		return silent(daemon.Partial)
	}
	return nil
}
