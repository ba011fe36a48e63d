package integration_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// layer is what a package may import of this module and, of what only some may
// use, from elsewhere. "" stands for the package of the program itself.
var layers = map[string][]string{
	"":            {"command"},
	"command":     {"daemon", "materialize", "materialize/fold", "conflict", "fusefs", "spacedb", "internal/attributes"},
	"daemon":      {"materialize", "materialize/fold", "conflict", "fusefs", "spacedb"},
	"fusefs":      {"spacedb"},
	"materialize": {"conflict", "conflict/merge", "spacedb", "materialize/fold", "materialize/manifest", "materialize/ignore", "internal/attributes"},

	"materialize/fold":     {},
	"materialize/manifest": {"internal/attributes"},
	"materialize/ignore":   {},
	"conflict":             {"internal/attributes"},
	"conflict/merge":       {},
	"spacedb":              {"internal/attributes"},
	"internal/attributes":  {}, // a value
	"internal/seed":        {}, // of tests, so nobody imports it
}

// only says who may import what must stay in one place.
var only = map[string]string{
	"github.com/mattn/go-sqlite3":       "spacedb",
	"database/sql":                      "nobody",
	"database/sql/driver":               "spacedb",
	"github.com/hanwen/go-fuse/v2/fuse": "fusefs",
	"github.com/urfave/cli/v2":          "command",
	"net/http":                          "daemon",
}

// pure is what package conflict must do without: it decides, and does nothing.
var pure = []string{"os", "io", "io/fs", "time", "net", "syscall", "sync", "database/sql", "golang.org/x/sys/unix", "math/rand", "context"}

type listedPackage struct {
	ImportPath string
	Imports    []string
}

// violations are the imports that the picture in ARCHITECTURE.md forbids.
func violations(packages []listedPackage) (found []string) {
	for _, p := range packages {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, "spacefs"), "/")
		allowed, known := layers[name]
		if !known {
			if name != "integration_test" {
				found = append(found, name+" is in no layer")
			}
			continue
		}
		for _, imported := range p.Imports {
			if inner, ours := strings.CutPrefix(imported, "spacefs/"); ours && !contains(allowed, inner) {
				found = append(found, fmt.Sprintf("%s must not import %s", name, inner))
			}
			if owner, reserved := only[imported]; reserved && owner != name {
				found = append(found, fmt.Sprintf("%s must not import %s", name, imported))
			}
			if strings.HasPrefix(name, "conflict") && contains(pure, imported) {
				found = append(found, fmt.Sprintf("%s is pure and must not import %s", name, imported))
			}
		}
	}
	return found
}

func contains(list []string, word string) bool {
	for _, w := range list {
		if w == word {
			return true
		}
	}
	return false
}

func TestPackagesImportOnlyWhatTheirLayerAllows(t *testing.T) {
	for _, platform := range []string{"linux", "darwin"} {
		cmd := exec.Command("go", "list", "-tags", "sqlite_fts5", "-json=ImportPath,Imports", "spacefs/...")
		cmd.Env = append(cmd.Environ(), "GOOS="+platform)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var packages []listedPackage
		for in := json.NewDecoder(strings.NewReader(string(out))); in.More(); {
			var p listedPackage
			if err := in.Decode(&p); err != nil {
				t.Fatal(err)
			}
			packages = append(packages, p)
		}
		if len(packages) < len(layers) {
			t.Fatalf("only %d packages are listed", len(packages))
		}
		for _, v := range violations(packages) {
			t.Errorf("%s: %s", platform, v)
		}
	}
}

func TestForbiddenImportsAreFound(t *testing.T) {
	for what, p := range map[string]listedPackage{
		"fusefs and materialize meet in spacedb only": {"spacefs/fusefs", []string{"spacefs/materialize"}},
		"conflict is pure":                            {"spacefs/conflict", []string{"os"}},
		"and so is merge":                             {"spacefs/conflict/merge", []string{"time"}},
		"spacedb knows nobody":                        {"spacefs/spacedb", []string{"spacefs/conflict"}},
		"SQLite is spacedb's":                         {"spacefs/daemon", []string{"github.com/mattn/go-sqlite3"}},
		"a package must have its place":               {"spacefs/util", nil},
	} {
		if len(violations([]listedPackage{p})) != 1 {
			t.Errorf("not found: %s", what)
		}
	}
}
