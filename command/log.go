package command

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
	"spacefs/spacedb"
)

func logCommand() *cli.Command {
	return &cli.Command{
		Name:      "log",
		Usage:     "tell what happened to a document, or to everything below a directory, newest first",
		UsageText: "log [SPACE] [PATH] [--deleted] [--limit N] [--json]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "deleted", Usage: "list the documents that are gone, at PATH and below it"},
			&cli.IntFlag{Name: "limit", Usage: "show the last `N` entries; 0: all", Value: 1000},
			jsonFlag, quietFlag,
		},
		Action: func(c *cli.Context) error {
			if c.Int("limit") < 0 {
				return usage("log: --limit must be 0 or more")
			}
			return withSpace(c, operands{0, 1, true}, func(s *daemon.Space, space string, rest []string) error {
				path := ""
				if len(rest) > 0 {
					path = pathWithin(c, s, rest[0])
				}
				if c.Bool("deleted") {
					return showDeleted(c, s, path)
				}
				log, err := s.Log(c.Context, path, c.Int("limit"))
				if err != nil {
					return err
				}
				if log.More {
					say(c, "there are more than the last %d; --limit 0 shows all", c.Int("limit"))
				}
				if c.Bool("json") {
					return printJSON(c, log.Entries)
				}
				for _, e := range log.Entries {
					showEntry(c.App.Writer, e)
				}
				return nil
			})
		},
	}
}

func showEntry(w io.Writer, e spacedb.LogEntry) {
	at, run := e.Time.Local().Format(time.DateTime), ""
	if e.Run != 0 {
		run = fmt.Sprintf("  run %d", e.Run)
	}
	if e.What != spacedb.Saved {
		what := map[spacedb.LogKind]string{spacedb.Deleted: "deleted", spacedb.Renamed: "renamed to " + shown(e.To), spacedb.ModeChanged: "mode changed"}[e.What]
		fmt.Fprintf(w, "     -  %s  %9s  %12s  %s  %s  %s%s\n", at, "", "", e.Origin, shown(e.Path), what, run)
		return
	}
	mark, note := " ", run
	if e.Current {
		mark = "*"
	}
	if e.Lost {
		note = "  lost a conflict" + run
	}
	fmt.Fprintf(w, "%s %4d  %s  %9d  %s  %s  %s%s\n", mark, e.Number, at, e.Size, e.SHA256.String()[:12], e.Origin, shown(e.Path), note)
}

func showDeleted(c *cli.Context, s *daemon.Space, path string) error {
	list, err := s.Deleted(c.Context, path)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c, list)
	}
	for _, d := range list {
		fmt.Fprintf(c.App.Writer, "%s  %9d  %s  %s\n", d.Deleted.Local().Format(time.DateTime), d.Size, d.SHA256.String()[:12], shown(d.Path))
	}
	if len(list) > 0 {
		say(c, "spacefs restore PATH brings one back, or a whole directory")
	}
	return nil
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

// splitRevision takes PATH@REV apart. A name may have an @ of its own: what
// the space knows is meant.
func splitRevision(c *cli.Context, s *daemon.Space, whole string) (path, rev string) {
	at := strings.LastIndexByte(whole, '@')
	if at <= 0 {
		return whole, ""
	}
	if _, err := s.Log(c.Context, whole, 1); err == nil {
		return whole, ""
	}
	return whole[:at], whole[at+1:]
}
