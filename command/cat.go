package command

import (
	"errors"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
)

func catCommand() *cli.Command {
	return &cli.Command{
		Name:      "cat",
		Usage:     "print a document, or one of its revisions: a number from 1, a time, or the beginning of a hash",
		UsageText: "cat [SPACE] PATH[@REV]",
		Action: func(c *cli.Context) error {
			return withSpace(c, operands{1, 1, true}, func(s *daemon.Space, _ string, rest []string) error {
				whole := pathWithin(c, s, rest[0])
				at := strings.LastIndexByte(whole, '@')
				if at <= 0 {
					return s.Cat(c.Context, whole, "", c.App.Writer)
				}
				// A name may have an @ of its own: what exists is meant.
				counted := &counting{w: c.App.Writer}
				err := s.Cat(c.Context, whole, "", counted)
				if err == nil || counted.n > 0 {
					return err
				}
				if second := s.Cat(c.Context, whole[:at], whole[at+1:], c.App.Writer); second == nil || !isNotFound(second) {
					return second
				}
				return err
			})
		},
	}
}

// counting knows whether anything was printed yet.
type counting struct {
	w io.Writer
	n int
}

func (c *counting) Write(p []byte) (int, error) {
	c.n += len(p)
	return c.w.Write(p)
}

func isNotFound(err error) bool {
	var e *daemon.Error
	return errors.As(err, &e) && strings.Contains(e.Text, "no such file")
}
