package command

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
	"spacefs/spacedb"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "verify everything in a space: structure, counts, references, every hash",
		UsageText: "check [SPACE] [--repair] [--json]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "repair", Usage: "mend what can be mended without losing content; what has no name any more gets one in lost+found"},
			jsonFlag, quietFlag,
		},
		Action: func(c *cli.Context) error {
			if c.Bool("repair") {
				return repair(c)
			}
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
					showFindings(c, findings, "")
				}
				if len(findings) > 0 {
					return &daemon.Error{Class: daemon.Failed, Text: fmt.Sprintf("%s: %d findings; spacefs check --repair mends what can be mended (back the file up first)", path, len(findings))}
				}
				say(c, "%s is sound", path)
				return nil
			})
		},
	}
}

func showFindings(c *cli.Context, findings []spacedb.Finding, before string) {
	for _, f := range findings {
		fmt.Fprintln(c.App.Writer, before+shown(f.String()))
	}
}

// repair opens the file itself: one that is damaged may not open as a space.
func repair(c *cli.Context) error {
	args, err := arguments(c, 1, 1)
	if err != nil {
		return err
	}
	r, err := spacedb.Repair(c.Context, args[0])
	if err != nil {
		return err
	}
	if c.Bool("json") {
		if err := printJSON(c, r); err != nil {
			return err
		}
	} else {
		showFindings(c, r.Mended, "mended: ")
		showFindings(c, r.Left, "left: ")
	}
	if len(r.Left) > 0 {
		return &daemon.Error{Class: daemon.Failed, Text: fmt.Sprintf("%s: %d findings are left", args[0], len(r.Left))}
	}
	say(c, "%s is sound", args[0])
	return nil
}
