package command

import (
	"fmt"
	"io"
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
	if st.ReadOnly {
		fmt.Fprintln(w, "read-only   the file may not be written: everything can be read, changes are refused")
	}
	if st.Trouble != "" {
		fmt.Fprintf(w, "TROUBLE     %s (nothing is lost; changes are refused until it succeeds)\n", st.Trouble)
	}
	for _, m := range st.Mirrors {
		when := "never synced"
		if !m.LastSync.IsZero() {
			when = "last complete sync " + m.LastSync.Local().Format(time.DateTime)
		}
		if m.Metadata {
			when += ", with extended attributes"
		}
		fmt.Fprintf(w, "mirror      %s (%s)\n", m.Path, when)
		showLive(w, m)
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

func showLive(w io.Writer, m daemon.MirrorStatus) {
	if m.Live == nil {
		return
	}
	l := *m.Live
	fmt.Fprintf(w, "  %-9s lag %.1f s, %d waiting, %d syncs, %d conflicts", l.State, float64(l.LagMillis)/1000, l.Queue, l.Syncs, m.Conflicts)
	if !l.LastSync.IsZero() {
		fmt.Fprintf(w, ", looked %s", l.LastSync.Local().Format(time.DateTime))
	}
	fmt.Fprintln(w)
	if l.Reason != "" {
		fmt.Fprintf(w, "            %s\n", l.Reason)
	}
	if l.LastError != "" && l.LastError != l.Reason {
		fmt.Fprintf(w, "            failed: %s\n", l.LastError)
	}
}
