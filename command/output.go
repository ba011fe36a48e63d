package command

import (
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"
)

var (
	jsonFlag   = &cli.BoolFlag{Name: "json", Usage: "print JSON"}
	eventsFlag = &cli.BoolFlag{Name: "json", Usage: "print events as they happen, a JSON object a line (docs/events.md)"}
	quietFlag  = &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "say nothing but errors"}
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
