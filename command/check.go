package command

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "verify everything in a space: structure, counts, references, every hash",
		UsageText: "check [SPACE] [--json]",
		Flags:     []cli.Flag{jsonFlag, quietFlag},
		Action: func(c *cli.Context) error {
			return withSpace(c, operands{}, func(s *daemon.Space, path string, _ []string) error {
				findings, err := s.Check(c.Context)
				if err != nil {
					return err
				}
				if c.Bool("json") {
					if err := printJSON(c, findings); err != nil {
						return err
					}
				} else {
					for _, f := range findings {
						fmt.Fprintln(c.App.Writer, f)
					}
				}
				if len(findings) > 0 {
					return &daemon.Error{Class: daemon.Failed, Text: fmt.Sprintf("%s: %d findings", path, len(findings))}
				}
				say(c, "%s is sound", path)
				return nil
			})
		},
	}
}
