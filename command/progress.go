package command

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"spacefs/daemon"
	"spacefs/materialize"
)

// reporter shows a run: with --json its events, one a line, on stdout; else for
// people, on stderr. end is called when the run is over.
type reporter interface {
	materialize.Reporter
	end()
}

func newReporter(c *cli.Context) reporter {
	if c.Bool("json") {
		return &eventStream{out: json.NewEncoder(c.App.Writer), now: time.Now}
	}
	f, ok := c.App.ErrWriter.(*os.File)
	p := &progress{w: c.App.ErrWriter, data: c.App.Writer, tty: ok && term.IsTerminal(int(f.Fd())), quiet: c.Bool("quiet"), last: time.Now()}
	p.lines = daemon.NewLines(func(line string) { say(c, "%s", shown(line)) })
	return p
}

// eventStream is docs/events.md.
type eventStream struct {
	out      *json.Encoder
	now      func() time.Time
	progress materialize.Event // of the phase that goes on
	told     time.Time
}

func (s *eventStream) Tell(e materialize.Event) {
	e.Time = s.now().UTC()
	if e.Event == materialize.Progress {
		s.progress, s.told = e, e.Time
	}
	_ = s.out.Encode(e) // a reader that has gone does not stop the work
}

// Step is told once a second.
func (s *eventStream) Step() {
	if s.progress.Done++; s.progress.Done&63 != 0 {
		return
	}
	if now := s.now(); now.Sub(s.told) >= time.Second {
		s.Tell(s.progress)
	}
}

func (s *eventStream) end() {}

// progress shows how work goes on: a bar on a terminal, now and then a line
// elsewhere; and what the events say to people.
type progress struct {
	w, data io.Writer
	tty     bool
	quiet   bool
	lines   *daemon.Lines
	dryRun  bool
	bar     *progressbar.ProgressBar
	phase   materialize.Event
	last    time.Time
}

func (p *progress) Tell(e materialize.Event) {
	switch e.Event {
	case materialize.Started:
		p.dryRun = e.DryRun
		return
	case materialize.Acted:
		if p.dryRun {
			p.end()
			showPlanned(p.data, e)
		}
		return
	}
	p.end()
	if e.Event != materialize.Progress {
		p.lines.Tell(e)
		return
	}
	p.phase = e
	if p.tty && !p.quiet {
		total := e.Total
		if total == 0 {
			total = -1
		}
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(e.Phase),
			progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
}

// showPlanned is a line of a dry run; that is data.
func showPlanned(w io.Writer, e materialize.Event) {
	if e.Op == "leave" {
		fmt.Fprintf(w, "  left alone        %s   (%s)\n", shown(e.Path), e.Reason)
		return
	}
	path := e.Path
	if e.From != "" {
		path = e.From + " → " + path
	}
	fmt.Fprintf(w, "→ %-6s  %-7s  %s   (%s)\n", e.Side, e.Op, shown(path), e.Reason)
}

// linesEvery is how often a line tells how far a phase is, where no bar can.
const linesEvery = 5 * time.Second

func (p *progress) Step() {
	p.phase.Done++
	switch {
	case p.bar != nil:
		_ = p.bar.Add(1)
	case !p.quiet && p.phase.Done&63 == 0 && time.Since(p.last) > linesEvery:
		p.last = time.Now()
		if p.phase.Total > 0 {
			fmt.Fprintf(p.w, "%s: %d of %d\n", p.phase.Phase, p.phase.Done, p.phase.Total)
		} else {
			fmt.Fprintf(p.w, "%s: %d so far\n", p.phase.Phase, p.phase.Done)
		}
	}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}
