package command

import (
	"bytes"
	"fmt"

	"github.com/urfave/cli/v2"

	"spacefs/conflict"
	"spacefs/daemon"
	"spacefs/materialize"
)

// takes are the words for who stands.
var takes = map[string]conflict.Strategy{
	"space": conflict.SpaceWins, "directory": conflict.DirectoryWins, "merged": conflict.Merge, "both": conflict.KeepBoth,
}

func resolveCommand() *cli.Command {
	return &cli.Command{
		Name:      "resolve",
		Usage:     "end a conflict that was left: take a side, or merge it in an editor ($VISUAL, $EDITOR) or a merge tool",
		UsageText: "resolve [SPACE] PATH [--take space|directory|merged|both | --tool TOOL] [--mirror DIR]",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "take", Usage: "`WHICH` stands: space, directory, merged (what merges by itself), both (the newer, and the other beside it)"},
			&cli.StringFlag{Name: "tool", Usage: "merge with `TOOL`: one that git mergetool knows, or a command with $LOCAL (the space), $BASE, $REMOTE (the directory), $MERGED"},
			&cli.StringFlag{Name: "mirror", Usage: "the mirror `DIR` that the conflict is with, if there are several"},
			jsonFlag, quietFlag,
		},
		Action: func(c *cli.Context) error {
			take, known := takes[c.String("take")]
			switch {
			case c.IsSet("take") && !known:
				return usage("resolve: --take is space, directory, merged or both, not %q", c.String("take"))
			case c.IsSet("take") && c.IsSet("tool"):
				return usage("resolve: --take and --tool exclude each other")
			}
			return withSpace(c, operands{1, 1, true}, func(s *daemon.Space, _ string, rest []string) error {
				r := daemon.ResolveRequest{Path: []byte(pathWithin(c, s, rest[0])), Dir: c.String("mirror"), Take: take}
				if !c.IsSet("take") {
					given, err := mergeByHand(c, s, r)
					if err != nil {
						return err
					}
					r.Take, r.Given = conflict.Merge, given
				}
				return resolve(c, s, r)
			})
		},
	}
}

func resolve(c *cli.Context, s *daemon.Space, r daemon.ResolveRequest) error {
	report := newReporter(c)
	result, err := s.Resolve(c.Context, r, report)
	report.end()
	if err != nil {
		return err
	}
	if result.Unresolved > 0 && r.Take == conflict.Merge {
		return &daemon.Error{Class: daemon.Conflicts, Text: fmt.Sprintf("%s: the changes do not go together by themselves; merge it in an editor: spacefs resolve %[1]s", r.Path)}
	}
	return silent(result.Class())
}

// mergeByHand has a person merge both sides.
func mergeByHand(c *cli.Context, s *daemon.Space, r daemon.ResolveRequest) (*materialize.Resolution, error) {
	sides, err := s.Sides(c.Context, r)
	if err != nil {
		return nil, err
	}
	d, err := newDesk(string(r.Path), sides)
	if err != nil {
		return nil, err
	}
	defer d.clear()
	if tool := c.String("tool"); tool != "" {
		err = d.tool(c, tool)
	} else {
		err = d.edit(c)
	}
	if err != nil {
		return nil, err
	}
	text, err := d.merged()
	if err != nil {
		return nil, err
	}
	if marked(text) && !marked(sides.Space) && !marked(sides.Mirror) {
		kept := d.keep()
		return nil, fmt.Errorf("%s: there are still conflict markers in it; nothing was changed, and your text is in %s", r.Path, kept)
	}
	given := sides.Resolution
	given.Text = text
	return &given, nil
}

// marked says whether a text has the markers of a conflict.
func marked(text []byte) bool {
	found := map[string]bool{}
	for line := range bytes.Lines(text) {
		for _, mark := range []string{"<<<<<<< ", "=======", ">>>>>>> "} {
			if bytes.HasPrefix(line, []byte(mark)) {
				found[mark] = true
			}
		}
	}
	return len(found) == 3
}
