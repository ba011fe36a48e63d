package command

import (
	"errors"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"spacefs/materialize"
	"spacefs/spacedb"
)

func initCommand() *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "create a space, empty or filled from a directory",
		UsageText: "init SPACE [--from DIR [--metadata]]",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "from", Usage: "import everything below `DIR`"},
			&cli.BoolFlag{Name: "metadata", Usage: "with its extended attributes (user.*)"}, eventsFlag, quietFlag,
		},
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 1, 1)
			if err != nil {
				return err
			}
			from := c.String("from")
			if from != "" {
				if info, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
					return usage("init: %s does not exist", from)
				} else if err != nil {
					return err
				} else if !info.IsDir() {
					return usage("init: %s is not a directory", from)
				}
			}
			store, err := spacedb.Create(args[0], spacedb.Options{})
			if err != nil {
				return err
			}
			if from == "" {
				say(c, "created %s", args[0])
				return store.Close()
			}
			report := newReporter(c)
			result, err := materialize.Import(c.Context, store, from, materialize.ImportOptions{Ignore: true, Metadata: c.Bool("metadata"), Reporter: report})
			report.end()
			if err = errors.Join(err, store.Close()); err != nil {
				return err
			}
			return silent(classOf(len(result.Failed)))
		},
	}
}
