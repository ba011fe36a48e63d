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
)

var (
	jsonFlag  = &cli.BoolFlag{Name: "json", Usage: "print JSON"}
	quietFlag = &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "say nothing but errors"}
)

func printJSON(c *cli.Context, v any) error {
	enc := json.NewEncoder(c.App.Writer)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// say writes a line for people; data goes to stdout, this does not.
func say(c *cli.Context, format string, args ...any) {
	if !c.Bool("quiet") {
		fmt.Fprintf(c.App.ErrWriter, format+"\n", args...)
	}
}

// progress shows how work goes on: a bar on a terminal, now and then a line
// elsewhere.
type progress struct {
	w     io.Writer
	tty   bool
	quiet bool
	bar   *progressbar.ProgressBar
	name  string
	count int
	last  time.Time
}

func newProgress(c *cli.Context) *progress {
	f, ok := c.App.ErrWriter.(*os.File)
	return &progress{w: c.App.ErrWriter, tty: ok && term.IsTerminal(int(f.Fd())), quiet: c.Bool("quiet"), last: time.Now()}
}

func (p *progress) Phase(name string, total int) {
	p.end()
	p.name, p.count = name, 0
	if total == 0 {
		total = -1
	}
	if p.tty && !p.quiet {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(name),
			progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
}

func (p *progress) Step() {
	p.count++
	switch {
	case p.bar != nil:
		_ = p.bar.Add(1)
	case !p.quiet && time.Since(p.last) > 5*time.Second:
		p.last = time.Now()
		fmt.Fprintf(p.w, "%s: %d so far\n", p.name, p.count)
	}
}

func (p *progress) Notice(line string) {
	p.end()
	if !p.quiet {
		fmt.Fprintln(p.w, line)
	}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}
