package command

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"spacefs/daemon"
)

func diffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "show how two revisions of a document differ: by itself the last save, with REV since then, with two between them",
		UsageText: "diff [SPACE] PATH [REV] [REV] [--json]",
		Flags:     []cli.Flag{jsonFlag},
		Action: func(c *cli.Context) error {
			return withSpace(c, operands{1, 3, true}, func(s *daemon.Space, _ string, rest []string) error {
				r := daemon.DiffRequest{Path: []byte(pathWithin(c, s, rest[0]))}
				if len(rest) > 1 {
					r.Old = rest[1]
				}
				if len(rest) > 2 {
					r.New = rest[2]
				}
				d, err := s.Diff(c.Context, r)
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c, d)
				}
				showDiff(c.App.Writer, d, colourful(c.App.Writer))
				return nil
			})
		},
	}
}

func showDiff(w io.Writer, d daemon.DiffResult, colour bool) {
	switch {
	case d.Same:
	case d.Binary:
		fmt.Fprintf(w, "%s and %s differ; they are no text\n", d.Old, d.New)
	case !colour:
		fmt.Fprint(w, d.Text)
	default:
		for line := range strings.Lines(d.Text) {
			text := strings.TrimSuffix(line, "\n")
			fmt.Fprintf(w, "%s%s\x1b[m\n", colourOf(text), text)
		}
	}
}

// colourOf is the escape that a line of a unified diff begins with.
func colourOf(line string) string {
	switch {
	case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
		return "\x1b[1m"
	case strings.HasPrefix(line, "@@"):
		return "\x1b[36m"
	case strings.HasPrefix(line, "+"):
		return "\x1b[32m"
	case strings.HasPrefix(line, "-"):
		return "\x1b[31m"
	}
	return ""
}

// colourful: to a terminal, unless it is not wanted (https://no-color.org).
func colourful(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}
