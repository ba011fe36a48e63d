// Command spacefs keeps a tree of documents in one file, mounts it as a folder
// and keeps it in step with a plain directory.
package main

import (
	"context"
	"os"

	"spacefs/command"
)

func main() {
	os.Exit(command.Run(context.Background(), os.Args, os.Stdout, os.Stderr))
}
