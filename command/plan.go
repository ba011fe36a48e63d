package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
	"spacefs/materialize"
)

func planCommand() *cli.Command {
	return &cli.Command{
		Name:      "plan",
		Usage:     "write down what a sync would do, to be looked at and applied; nothing is changed",
		UsageText: "plan SPACE [DIR] [-o FILE] [--direction WHICH] [--resolve HOW] [--delete-orphans]",
		Flags: append(withoutAcceptDeletes(syncFlags()),
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write it to `FILE`; - is stdout", Value: "-"},
			quietFlag),
		Action: func(c *cli.Context) error {
			return withMirror(c, func(s *daemon.Space, r daemon.SyncRequest) error {
				report := newReporter(c)
				plan, err := s.Plan(c.Context, r, quietActions{report})
				report.end()
				if err != nil {
					return err
				}
				return writePlan(c, plan)
			})
		},
	}
}

// withoutAcceptDeletes: a plan deletes nothing, so nothing needs to be accepted.
func withoutAcceptDeletes(flags []cli.Flag) (rest []cli.Flag) {
	for _, f := range flags {
		if f.Names()[0] != "accept-deletes" {
			rest = append(rest, f)
		}
	}
	return rest
}

// quietActions leaves out what the plan itself says.
type quietActions struct{ materialize.Reporter }

func (q quietActions) Tell(e materialize.Event) {
	if e.Event != materialize.Acted {
		q.Reporter.Tell(e)
	}
}

func writePlan(c *cli.Context, plan json.RawMessage) error {
	var text bytes.Buffer
	if err := json.Indent(&text, plan, "", "  "); err != nil {
		return err
	}
	text.WriteByte('\n')
	name := c.String("output")
	if name == "-" {
		_, err := c.App.Writer.Write(text.Bytes())
		return err
	}
	return os.WriteFile(name, text.Bytes(), 0o600)
}

func applyCommand() *cli.Command {
	return &cli.Command{
		Name:      "apply",
		Usage:     "do what a plan says and nothing else; what changed since is left as it is",
		UsageText: "apply SPACE FILE [DIR] [--accept-deletes]",
		Flags:     []cli.Flag{&cli.BoolFlag{Name: "accept-deletes", Usage: "go on although much would be deleted"}, eventsFlag, quietFlag},
		Action: func(c *cli.Context) error {
			return withSpace(c, operands{1, 2, false}, func(s *daemon.Space, _ string, rest []string) (err error) {
				r := daemon.ApplyRequest{AcceptDeletes: c.Bool("accept-deletes")}
				if r.Plan, err = readPlan(c, rest[0]); err != nil {
					return err
				}
				if len(rest) > 1 {
					if r.Dir, err = filepath.Abs(rest[1]); err != nil {
						return err
					}
				}
				report := newReporter(c)
				result, err := s.Apply(c.Context, r, report)
				report.end()
				if err != nil {
					return err
				}
				return silent(result.Class())
			})
		},
	}
}

// planLimit is more than the plan of a million files.
const planLimit = 1 << 30

func readPlan(c *cli.Context, name string) ([]byte, error) {
	in := c.App.Reader
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, planLimit+1))
	if err == nil && len(text) > planLimit {
		err = fmt.Errorf("%s is too long for a plan", name)
	}
	return text, err
}
