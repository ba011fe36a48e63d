package command

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
)

func logCommand() *cli.Command {
	return &cli.Command{
		Name:      "log",
		Usage:     "list a document's revisions, newest first",
		UsageText: "log [SPACE] PATH [--json]",
		Flags:     []cli.Flag{jsonFlag},
		Action: func(c *cli.Context) error {
			return withSpace(c, operands{1, 1, true}, func(s *daemon.Space, space string, rest []string) error {
				list, err := s.Log(c.Context, pathWithin(c, s, rest[0]))
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c, list)
				}
				for _, r := range list {
					mark := " "
					if r.Current {
						mark = "*"
					}
					note := ""
					if r.Lost {
						note = "  lost a conflict"
					}
					if r.Run != 0 {
						note += fmt.Sprintf("  run %d", r.Run)
					}
					fmt.Fprintf(c.App.Writer, "%s %4d  %s  %9d  %s  %s  %s%s\n", mark, r.Number, r.Time.Local().Format(time.DateTime), r.Size,
						r.SHA256.String()[:12], r.Origin, r.Path, note)
				}
				return nil
			})
		},
	}
}

// pathWithin lets a document be named by its real path below the mount point
// or a mirror.
func pathWithin(c *cli.Context, s *daemon.Space, path string) string {
	var places []string
	if st, err := s.Status(c.Context); err == nil {
		places = append(places, st.Mountpoint)
		for _, m := range st.Mirrors {
			places = append(places, m.Path)
		}
	}
	return daemon.PathWithin(places, path)
}
