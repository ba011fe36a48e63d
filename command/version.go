package command

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"spacefs/spacedb"
)

// Version is set by the release build.
var Version = "0.1.0-dev"

type versions struct {
	Spacefs string `json:"spacefs"`
	Go      string `json:"go"`
	SQLite  string `json:"sqlite"`
	GoFUSE  string `json:"go_fuse"`
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:      "version",
		Usage:     "print the versions of spacefs and of what it is built on",
		UsageText: "version [--json]",
		Flags:     []cli.Flag{jsonFlag},
		Action: func(c *cli.Context) error {
			v := versions{Version, runtime.Version(), spacedb.EngineVersion(), "unknown"}
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, d := range info.Deps {
					if d.Path == "github.com/hanwen/go-fuse/v2" {
						v.GoFUSE = d.Version
					}
				}
			}
			if c.Bool("json") {
				return printJSON(c, v)
			}
			fmt.Fprintf(c.App.Writer, "spacefs %s (%s, SQLite %s, go-fuse %s)\n", v.Spacefs, v.Go, v.SQLite, v.GoFUSE)
			return nil
		},
	}
}
