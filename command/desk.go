package command

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"spacefs/materialize"
)

// desk is a private directory in which a person merges a conflict.
type desk struct {
	dir   string
	name  string // of the document
	sides materialize.Sides
	kept  bool
}

func newDesk(document string, sides materialize.Sides) (*desk, error) {
	dir, err := os.MkdirTemp("", "spacefs-resolve-")
	if err != nil {
		return nil, err
	}
	d := &desk{dir: dir, name: path.Base(document), sides: sides}
	return d, d.put(d.name, sides.Merged)
}

func (d *desk) put(name string, text []byte) error {
	return os.WriteFile(d.path(name), text, 0o600)
}

func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *desk) merged() ([]byte, error) { return os.ReadFile(d.path(d.name)) }

// keep leaves the desk as it is, and says where the text lies.
func (d *desk) keep() string {
	d.kept = true
	return d.path(d.name)
}

func (d *desk) clear() {
	if !d.kept {
		_ = os.RemoveAll(d.dir) // of the user's own temporary files; what is left does no harm
	}
}

// edit opens the merge in the user's editor.
func (d *desk) edit(c *cli.Context) error {
	editor := cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR"), "vi")
	// As git does it: the editor may be a command with arguments.
	return d.run(c, editor, "sh", "-c", editor+` "$@"`, editor, d.path(d.name))
}

// tool has a merge tool do it: a command line that takes the files from its
// environment, as git's mergetool.*.cmd, or one that git knows by name.
func (d *desk) tool(c *cli.Context, tool string) error {
	if !strings.Contains(tool, "$") {
		return d.gitTool(c, tool)
	}
	ext := path.Ext(d.name)
	for name, text := range map[string][]byte{"LOCAL" + ext: d.sides.Space, "BASE" + ext: d.sides.Base, "REMOTE" + ext: d.sides.Mirror} {
		if err := d.put(name, text); err != nil {
			return err
		}
	}
	return d.run(c, tool, "env", "LOCAL="+d.path("LOCAL"+ext), "BASE="+d.path("BASE"+ext), "REMOTE="+d.path("REMOTE"+ext), "MERGED="+d.path(d.name), "sh", "-c", tool)
}

// gitTool makes the conflict be one of git's, in a repository of its own, so that
// every tool that git can start can be used.
func (d *desk) gitTool(c *cli.Context, tool string) error {
	git := func(in []byte, args ...string) (string, error) {
		cmd := exec.CommandContext(c.Context, "git", append([]string{"-C", d.dir}, args...)...)
		cmd.Stdin = bytes.NewReader(in)
		out, err := cmd.Output()
		if errors.Is(err, exec.ErrNotFound) {
			err = errors.New("git is not there, which would start it; give a command with $LOCAL, $BASE, $REMOTE and $MERGED")
		}
		return strings.TrimSpace(string(out)), err
	}
	if _, err := git(nil, "init", "-q"); err != nil {
		return fmt.Errorf("%s: %w", tool, err)
	}
	stages := [][]byte{d.sides.Base, d.sides.Space, d.sides.Mirror}
	for i, text := range stages {
		if i == 0 && !d.sides.HasBase {
			continue
		}
		blob, err := git(text, "hash-object", "-w", "--stdin")
		if err == nil {
			_, err = git([]byte(fmt.Sprintf("100644 %s %d\t%s\x00", blob, i+1, d.name)), "update-index", "-z", "--index-info")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", tool, err)
		}
	}
	return d.run(c, tool, "git", "-C", d.dir, "-c", "mergetool.keepBackup=false", "mergetool", "--no-prompt", "--tool="+tool, "--", d.name)
}

// run runs what a person works with, on the terminal.
func (d *desk) run(c *cli.Context, what, program string, args ...string) error {
	cmd := exec.CommandContext(c.Context, program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w; nothing was changed", what, err)
	}
	return nil
}
