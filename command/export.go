package command

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"spacefs/daemon"
	"spacefs/materialize/fold"
	"spacefs/spacedb"
)

func exportCommand() *cli.Command {
	return &cli.Command{
		Name:      "export",
		Usage:     "write the tree, as it is at one moment, into a directory, or with - as a tar stream to stdout",
		UsageText: "export SPACE DIR|- [--variant by_path|flat|hierarchical] [--incremental] [--at MOMENT] [--include PATTERN] [--exclude PATTERN] [--metadata] [--index] [--dry-run]",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "variant", Usage: "`SHAPE` of it: by_path, flat (one directory), hierarchical (a document beside a folder of its name is that folder's index)", Value: "by_path"},
			&cli.BoolFlag{Name: "incremental", Aliases: []string{"i"}, Usage: "bring an earlier export up to date: write what changed, remove what is gone, touch nothing else"},
			&cli.StringFlag{Name: "at", Usage: "as it was at `MOMENT`: a time, an age (3d), run:N, before:N, or PATH@REV, when that revision came to be"},
			&cli.StringSliceFlag{Name: "include", Usage: "only what matches `PATTERN`, as in .gitignore; may be repeated"},
			&cli.StringSliceFlag{Name: "exclude", Usage: "not what matches `PATTERN`; may be repeated"},
			&cli.BoolFlag{Name: "metadata", Usage: "NAME.meta.json beside each document: id, times, revision; and extended attributes (user.*)"},
			&cli.BoolFlag{Name: "index", Usage: "hierarchical: a table of contents in each folder"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "say what would be done, and do nothing"},
			eventsFlag, quietFlag,
		},
		Action: func(c *cli.Context) error {
			r, err := exportRequest(c)
			if err != nil {
				return err
			}
			return withSpace(c, operands{1, 1, false}, func(s *daemon.Space, _ string, rest []string) error {
				if r.Dir, err = placeOrStream(rest[0]); err != nil {
					return err
				}
				if r.Dir == "-" {
					return exportStream(c, s, r)
				}
				report := newReporter(c)
				result, err := s.Export(c.Context, r, report, nil)
				report.end()
				if err != nil {
					return err
				}
				return silent(classOf(len(result.Failed)))
			})
		},
	}
}

func exportRequest(c *cli.Context) (r daemon.ExportRequest, err error) {
	r = daemon.ExportRequest{
		Include: c.StringSlice("include"), Exclude: c.StringSlice("exclude"), Metadata: c.Bool("metadata"), Index: c.Bool("index"),
		Incremental: c.Bool("incremental"), DryRun: c.Bool("dry-run"),
	}
	if r.Variant, err = fold.ParseVariant(c.String("variant")); err != nil {
		return r, usage("export: %v", err)
	}
	if r.Index && r.Variant != fold.Hierarchical {
		return r, usage("export: --index needs --variant hierarchical")
	}
	if text := c.String("at"); text != "" {
		at, err := spacedb.ParseMoment(text, time.Now())
		if err != nil {
			return r, usage("export: --at: %v", err)
		}
		r.At = &at
	}
	return r, nil
}

// exportStream writes the tar stream to stdout, which therefore has no events.
func exportStream(c *cli.Context, s *daemon.Space, r daemon.ExportRequest) error {
	switch {
	case r.Incremental || r.DryRun:
		return usage("export: a tar stream is always a whole export")
	case c.Bool("json"):
		return usage("export: stdout is taken by the tar stream: leave --json out")
	case isTerminal(c.App.Writer):
		return usage("export: a tar stream is nothing for a terminal: send it to a file or a program")
	}
	report := newReporter(c)
	result, err := s.Export(c.Context, r, report, c.App.Writer)
	report.end()
	if err != nil {
		return err
	}
	return silent(classOf(len(result.Failed)))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// placeOrStream makes a directory's name absolute; - stands for a stream.
func placeOrStream(arg string) (string, error) {
	if arg == "-" {
		return arg, nil
	}
	dir, err := filepath.Abs(arg)
	if err != nil {
		return "", fmt.Errorf("%s: %w", arg, err)
	}
	return dir, nil
}
