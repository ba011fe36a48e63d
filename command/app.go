// Package command is the command line: flags, output and exit codes, one
// command a file. What a command does is done by package daemon.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"spacefs/daemon"
)

// Run runs one command line and returns its exit code: 0 done; 1 failed; 2
// usage; 3 done in part; 4 unresolved conflicts remain; 5 stopped by a guard; 10
// no such space; 11 in use; 12 already mounted.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := newApp(stdout, stderr)
	args, fake := asMount(app, args)
	if fake {
		return int(daemon.Done)
	}
	err := app.RunContext(ctx, reorder(app, args))
	if err == nil {
		return int(daemon.Done)
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, "spacefs: "+shown(oneLine(text)))
	}
	return int(daemon.ClassOf(err))
}

// oneLine joins errors; several may come of the same.
func oneLine(text string) string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:      "spacefs",
		Usage:     "a tree of documents in one file, mounted as a folder, in step with a plain directory",
		UsageText: "spacefs COMMAND [FLAG ...] [ARGUMENT ...]",
		Commands: []*cli.Command{
			initCommand(), mountCommand(), unmountCommand(), syncCommand(), exportCommand(), importCommand(),
			statusCommand(), conflictsCommand(), resolveCommand(), planCommand(), applyCommand(), runsCommand(), explainCommand(), undoCommand(),
			logCommand(), diffCommand(), catCommand(), restoreCommand(),
			checkCommand(), pruneCommand(), backupCommand(), compactCommand(), sqlCommand(),
			junkCommand(), versionCommand(),
		},
		Writer: stdout, ErrWriter: stderr,
		HideVersion:    true,
		ExitErrHandler: func(*cli.Context, error) {}, // Run decides, once
		OnUsageError:   func(_ *cli.Context, err error, _ bool) error { return usage("%v", err) },
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usage("there is no command %q; see spacefs --help", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
	}
	for _, cmd := range app.Commands {
		cmd.OnUsageError = app.OnUsageError
		cmd.HideHelpCommand = true
	}
	return app
}

func usage(format string, args ...any) error {
	return &daemon.Error{Class: daemon.Usage, Text: fmt.Sprintf(format, args...)}
}

// silent ends with a code when everything has been said already.
func silent(class daemon.Class) error {
	if class == daemon.Done {
		return nil
	}
	return &daemon.Error{Class: class}
}

// reorder moves a command's flags before its arguments, because cli stops
// looking for flags at the first argument. What follows "--" is left alone.
func reorder(app *cli.App, args []string) []string {
	if len(args) < 2 {
		return args
	}
	cmd := app.Command(args[1])
	if cmd == nil {
		return args
	}
	takesValue := map[string]bool{}
	for _, f := range cmd.Flags {
		_, isBool := f.(*cli.BoolFlag)
		for _, name := range f.Names() {
			takesValue[name] = !isBool
		}
	}
	var flags, rest []string
	for i := 2; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if len(a) < 2 || a[0] != '-' {
			rest = append(rest, a)
			continue
		}
		flags = append(flags, a)
		if takesValue[strings.TrimLeft(a, "-")] && i+1 < len(args) {
			i++
			flags = append(flags, args[i])
		}
	}
	out := append([]string{args[0], args[1]}, flags...)
	return append(append(out, "--"), rest...)
}

// arguments checks how many there are; the names are the usage line's.
func arguments(c *cli.Context, least, most int) ([]string, error) {
	args := c.Args().Slice()
	switch {
	case slices.Contains(args, ""):
		return nil, usage("%s: an argument is empty; usage: spacefs %s", c.Command.Name, c.Command.UsageText)
	case len(args) < least:
		return nil, usage("%s: too few arguments; usage: spacefs %s", c.Command.Name, c.Command.UsageText)
	case len(args) > most:
		return nil, usage("%s: too many arguments, from %q; usage: spacefs %s", c.Command.Name, args[most], c.Command.UsageText)
	}
	return args, nil
}

// operands says how many arguments a command takes after SPACE.
type operands struct {
	least, most int
	near        bool // the first is a place that tells the space when SPACE is left out
}

// withSpace splits off SPACE and connects to it. It may be left out where the
// working directory, or the place that is named, belongs to one; and where a space
// is mounted, or a mirror of it, stands for it.
func withSpace(c *cli.Context, want operands, fn func(s *daemon.Space, path string, rest []string) error) error {
	args, err := arguments(c, want.least, want.most+1)
	if err != nil {
		return err
	}
	var path string
	if want.spaceFirst(args) {
		path, args = spaceOf(args[0]), args[1:]
	} else if path = spaceAround(args, want.near); path == "" {
		return usage("%s: which space? Usage: spacefs %s", c.Command.Name, c.Command.UsageText)
	}
	if len(args) < want.least {
		return usage("%s: too few arguments; usage: spacefs %s", c.Command.Name, c.Command.UsageText)
	}
	s, err := daemon.Connect(path)
	if err != nil {
		return err
	}
	return errors.Join(fn(s, path, args), s.Close())
}

func (want operands) spaceFirst(args []string) bool {
	switch {
	case len(args) > want.most:
		return true
	case len(args) == 0:
		return false
	case len(args) == want.least || looksLikeSpace(args[0]):
		return looksLikeSpace(args[0])
	case want.near: // a mirror may be what is to be synced
		_, ok := daemon.SpaceMounted(args[0])
		return ok
	}
	return spaceOf(args[0]) != args[0]
}

// spaceOf is the path of a space that is given by its mount point, by a mirror, or
// as it is.
func spaceOf(arg string) string {
	if space, ok := daemon.SpaceMounted(arg); ok {
		return space
	}
	if space, ok := daemon.SpaceMirrored(arg); ok {
		return space
	}
	return arg
}

func spaceAround(args []string, near bool) string {
	places := []string{"."}
	if near && len(args) > 0 {
		places = []string{args[0], "."}
	}
	for _, place := range places {
		if space, ok := daemon.SpaceAround(place); ok {
			return space
		}
	}
	return ""
}

func looksLikeSpace(arg string) bool {
	info, err := os.Stat(arg)
	return strings.HasSuffix(arg, ".space") && (err != nil || !info.IsDir()) || err == nil && info.Mode().IsRegular() && !insideMount(arg)
}

// insideMount: a document that is named by its real path is no space.
func insideMount(path string) bool {
	_, ok := daemon.SpaceAround(path)
	return ok
}
