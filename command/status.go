package command

import (
	"fmt"
	"sort"
	"time"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "tell how a space is: mounted or not, its mirrors, conflicts, requests",
		UsageText: "status [SPACE] [--json]",
		Flags:     []cli.Flag{jsonFlag},
		Action: func(c *cli.Context) error {
			return withSpace(c, operands{}, func(s *daemon.Space, _ string, _ []string) error {
				st, err := s.Status(c.Context)
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c, st)
				}
				showStatus(c, st)
				return nil
			})
		},
	}
}

func showStatus(c *cli.Context, st daemon.Status) {
	w := c.App.Writer
	fmt.Fprintf(w, "space       %s\n", st.Path)
	if st.Mountpoint != "" {
		fmt.Fprintf(w, "mounted     %s (pid %d)\n", st.Mountpoint, st.PID)
	} else {
		fmt.Fprintln(w, "mounted     no")
	}
	fmt.Fprintf(w, "tree        %d nodes, %d bytes\n", st.Usage.Nodes, st.Usage.Bytes)
	fmt.Fprintf(w, "durable     up to operation %d of %d, %d bytes waiting\n", st.DurableSeq, st.Seq, st.DirtyBytes)
	if st.Trouble != "" {
		fmt.Fprintf(w, "TROUBLE     %s (nothing is lost; changes are refused until it succeeds)\n", st.Trouble)
	}
	for _, m := range st.Mirrors {
		when := "never synced"
		if !m.LastSync.IsZero() {
			when = "last complete sync " + m.LastSync.Local().Format(time.DateTime)
		}
		fmt.Fprintf(w, "mirror      %s (%s)\n", m.Path, when)
	}
	fmt.Fprintf(w, "conflicts   %d unresolved\n", st.Conflicts)
	names := make([]string, 0, len(st.Requests))
	for name := range st.Requests {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		r := st.Requests[name]
		fmt.Fprintf(w, "requests    %-12s %8d, %6.1f µs each\n", name, r.Count, float64(r.Nanos)/float64(r.Count)/1e3)
	}
}
