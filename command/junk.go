package command

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
)

func junkCommand() *cli.Command {
	return &cli.Command{
		Name:      "junk",
		Usage:     "list or change what names have no history and are not mirrored",
		UsageText: "junk [SPACE] [--add PATTERN] [--remove PATTERN] [--reset]",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "add", Usage: "add a `PATTERN`: a name, with * ? and [a-z]"},
			&cli.StringSliceFlag{Name: "remove", Usage: "take a `PATTERN` off the list"},
			&cli.BoolFlag{Name: "reset", Usage: "go back to the built-in list first"},
			jsonFlag,
		},
		Action: func(c *cli.Context) error {
			return withSpace(c, operands{0, 0, false}, func(s *daemon.Space, space string, _ []string) error {
				patterns, err := s.Junk(c.Context, daemon.JunkRequest{Add: c.StringSlice("add"), Remove: c.StringSlice("remove"), Reset: c.Bool("reset")})
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c, patterns)
				}
				for _, p := range patterns {
					fmt.Fprintln(c.App.Writer, p)
				}
				return nil
			})
		},
	}
}
