package command

import (
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
	"spacefs/spacedb"
)

func restoreCommand() *cli.Command {
	return &cli.Command{
		Name: "restore",
		Usage: "bring back a document or a tree: as it was when it was last there, at a time, or a revision; " +
			"or all that a run deleted or replaced. Nothing is deleted, and what is overwritten stays in history",
		UsageText: "restore [SPACE] PATH[@REV] [--at WHEN] [--to PATH] [--dry-run]\n   spacefs restore [SPACE] --run N [--to PATH] [--dry-run]",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "at", Usage: "as it was `WHEN`: a time, a date (its end), 2h or 3d ago, run:N or before:N (just after or before a run), PATH@REV"},
			&cli.Int64Flag{Name: "run", Usage: "what run `N` deleted, replaced or changed"},
			&cli.StringFlag{Name: "to", Usage: "restore to another `PATH` of the space"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "say what would be restored, and do nothing"},
			eventsFlag, quietFlag,
		},
		Action: func(c *cli.Context) error {
			r := daemon.RestoreRequest{Run: c.Int64("run"), DryRun: c.Bool("dry-run"), To: []byte(strings.Trim(c.String("to"), "/"))}
			takes := operands{1, 1, true}
			switch {
			case r.Run < 0 || c.IsSet("run") && r.Run == 0:
				return usage("restore: --run takes the number of a run; spacefs runs lists them")
			case r.Run != 0 && c.IsSet("at"):
				return usage("restore: --run and --at exclude each other")
			case r.Run != 0:
				takes = operands{0, 0, false}
			}
			if at := c.String("at"); c.IsSet("at") {
				var err error
				if r.At, err = spacedb.ParseMoment(at, time.Now()); err != nil {
					return usage("restore: %v", err)
				}
			}
			return withSpace(c, takes, func(s *daemon.Space, _ string, rest []string) error {
				if len(rest) > 0 {
					path, rev := splitRevision(c, s, pathWithin(c, s, rest[0]))
					if rev != "" && c.IsSet("at") {
						return usage("restore: @%s and --at exclude each other", rev)
					}
					r.Path, r.Rev = []byte(path), rev
				}
				if r.Run == 0 && r.Rev == "" && r.At == (spacedb.Moment{}) && len(r.Path) == 0 {
					return usage("restore: the whole space as it was when? Give --at")
				}
				report := newReporter(c)
				result, err := s.Restore(c.Context, r, report)
				report.end()
				if err != nil {
					return err
				}
				return silent(classOf(len(result.Failed)))
			})
		},
	}
}
