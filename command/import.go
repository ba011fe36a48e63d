package command

import (
	"strings"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
	"spacefs/materialize"
	"spacefs/materialize/fold"
)

func importCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "bring everything below a directory, or with - a tar stream from stdin, into the space",
		UsageText: "import SPACE DIR|- [--into PATH] [--on-conflict overwrite|skip|rename] [--include PATTERN] [--exclude PATTERN] [--no-manifest] [--metadata] [--variant flat]",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "into", Usage: "put it below `PATH` of the space"},
			&cli.StringFlag{Name: "on-conflict", Usage: "`HOW` to treat other content at the same path: overwrite (the old stays in history), skip, rename"},
			&cli.StringSliceFlag{Name: "include", Usage: "only what matches `PATTERN`, as in .gitignore; may be repeated"},
			&cli.StringSliceFlag{Name: "exclude", Usage: "not what matches `PATTERN`; may be repeated"},
			&cli.BoolFlag{Name: "no-manifest", Usage: "import an export's files as they are, without what its manifest knows"},
			&cli.BoolFlag{Name: "metadata", Usage: "extended attributes (user.*), too; an export that has them brings them anyway"},
			&cli.StringFlag{Name: "variant", Usage: "`SHAPE` of an export that lost its manifest: flat names are unfolded"},
			eventsFlag, quietFlag,
		},
		Action: func(c *cli.Context) error {
			r := daemon.ImportRequest{
				Into: strings.Trim(c.String("into"), "/"), Include: c.StringSlice("include"), Exclude: c.StringSlice("exclude"), NoManifest: c.Bool("no-manifest"),
				Metadata: c.Bool("metadata"),
			}
			var err error
			if r.OnConflict, err = materialize.ParseOnConflict(c.String("on-conflict")); err != nil {
				return usage("import: %v", err)
			}
			if r.Variant, err = fold.ParseVariant(c.String("variant")); err != nil {
				return usage("import: %v", err)
			}
			return withSpace(c, operands{1, 1, false}, func(s *daemon.Space, _ string, rest []string) error {
				if r.Dir, err = placeOrStream(rest[0]); err != nil {
					return err
				}
				report := newReporter(c)
				result, err := s.Import(c.Context, r, report, c.App.Reader)
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
