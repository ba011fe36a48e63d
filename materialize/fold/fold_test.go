package fold

import (
	"path"
	"sort"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFoldIsReadable(t *testing.T) {
	for path, want := range map[string]string{
		"todo.md":              "todo.md",
		"notes/2026/plan_b.md": "notes__2026__plan_b.md",
		"_drafts/a__b.md":      "%5Fdrafts__a%5F_b.md",
		"a_/b":                 "a%5F__b",
		"100%/x":               "100%25__x",
		"___":                  "%5F%5F%5F",
		".obsidian/app.json":   ".obsidian__app.json",
		"\xff/\xfe":            "\xff__\xfe",
	} {
		if got := Fold(path); got != want {
			t.Errorf("Fold(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestFoldIsReversible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := aPath(t)
		name := Fold(p)
		if strings.Contains(name, "/") {
			t.Fatalf("%q folds to %q", p, name)
		}
		if back, ok := Unfold(name); !ok || back != p {
			t.Fatalf("%q folds to %q, and that unfolds to %q, %v", p, name, back, ok)
		}
	})
}

func TestWhatWasNeverFoldedIsNotUnfolded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a_%25F~.]{1,12}`).Draw(t, "name")
		if p, ok := Unfold(name); ok && Fold(p) != name {
			t.Fatalf("%q unfolds to %q", name, p)
		}
	})
	for _, name := range []string{"a_", "_a", "%41", "a___b", "x%~0123456789abcdef.md"} {
		if p, ok := Unfold(name); ok {
			t.Errorf("%q unfolds to %q", name, p)
		}
	}
}

// Whatever the tree, every node gets a name of its own that a filesystem takes,
// below the directory it is in; and in a tree that was folded without changes
// the names alone lead back.
func TestNamesAreDistinctAndFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := aTree(t)
		o := Options{
			Variant:  rapid.SampledFrom([]Variant{ByPath, Flat, Hierarchical}).Draw(t, "variant"),
			Caseless: rapid.Bool().Draw(t, "caseless"),
		}
		names, given := Tree(nodes, o)
		changed := map[string]bool{}
		for _, c := range given.Changes {
			changed[c.Path] = true
		}
		seen := map[string]string{}
		dirs := map[string]bool{".": true}
		for i, n := range nodes {
			if n.Kind == Directory {
				dirs[names[i]] = true
			}
		}
		for i, n := range nodes {
			name := names[i]
			if name == "" {
				if o.Variant != Flat || n.Kind != Directory {
					t.Fatalf("%q has no name", n.Path)
				}
				continue
			}
			if len(path.Base(name)) > MaxName || o.Variant == Flat && strings.Contains(name, "/") {
				t.Fatalf("%q is named %q", n.Path, name)
			}
			if !dirs[path.Dir(name)] {
				t.Fatalf("%q is named %q, in a directory that is not there", n.Path, name)
			}
			key := name
			if o.Caseless {
				key = strings.ToLower(name)
			}
			if other, twice := seen[key]; twice {
				t.Fatalf("%q and %q are both named %q", n.Path, other, name)
			}
			seen[key] = n.Path
			for _, r := range Reserved {
				if key == r {
					t.Fatalf("%q has a reserved name", n.Path)
				}
			}
			if o.Variant == Flat && !changed[n.Path] {
				if back, ok := Unfold(name); !ok || back != n.Path {
					t.Fatalf("%q is named %q, which unfolds to %q", n.Path, name, back)
				}
			}
		}
	})
}

func TestADocumentBesideAFolderIsItsIndex(t *testing.T) {
	for _, c := range []struct {
		what  string
		nodes []Node
		want  string
	}{
		{"moved", []Node{{"a", Directory}, {"a.md", Document}}, "a a/index.md"},
		{"two extensions", []Node{{"a", Directory}, {"a.md", Document}, {"a.txt", Document}}, "a a/index.md a/index.txt"},
		{"an index is there already", []Node{{"a", Directory}, {"a/index.md", Document}, {"a.md", Document}}, "a a/index.md a/index~2.md"},
		{"no extension", []Node{{"a", Directory}, {"b", Document}}, "a b"},
		{"a symlink stays", []Node{{"a", Directory}, {"a.md", Other}}, "a a.md"},
		{"hidden", []Node{{".md", Document}, {"a", Directory}}, ".md a"},
		{"reserved", []Node{{".spacefs", Directory}, {".spacefs/x.md", Document}}, ".spacefs~2 .spacefs~2/x.md"},
	} {
		names, _ := Tree(c.nodes, Options{Variant: Hierarchical})
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

func aName(t *rapid.T) string {
	if rapid.IntRange(0, 20).Draw(t, "long") == 0 {
		return strings.Repeat(rapid.SampledFrom([]string{"x", "_", "é", "%"}).Draw(t, "letter"), 120)
	}
	return rapid.SampledFrom([]string{"a", "A", "b", "a.md", "a.txt", "index.md", "index~2.md", "_", "__", "a_", "_a", "%", "%5F", "\xff", ".md", ".spacefs", ".spacefs-manifest.jsonl", "a.md.meta.json"}).Draw(t, "name")
}

func aPath(t *rapid.T) string {
	parts := make([]string, rapid.IntRange(1, 4).Draw(t, "depth"))
	for i := range parts {
		parts[i] = aName(t)
	}
	return strings.Join(parts, "/")
}

// aTree is a tree as a walk gives it: parents before children.
func aTree(t *rapid.T) []Node {
	kinds := map[string]Kind{}
	for range rapid.IntRange(0, 12).Draw(t, "paths") {
		p := aPath(t)
		ok := true
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			if k, there := kinds[dir]; there && k != Directory {
				ok = false
			}
		}
		if _, there := kinds[p]; there || !ok {
			continue
		}
		kinds[p] = rapid.SampledFrom([]Kind{Directory, Document, Document, Other}).Draw(t, "kind")
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			kinds[dir] = Directory
		}
	}
	nodes := make([]Node, 0, len(kinds))
	for p, k := range kinds {
		nodes = append(nodes, Node{p, k})
	}
	sort.Slice(nodes, func(i, j int) bool {
		return strings.ReplaceAll(nodes[i].Path, "/", "\x00") < strings.ReplaceAll(nodes[j].Path, "/", "\x00")
	})
	return nodes
}
