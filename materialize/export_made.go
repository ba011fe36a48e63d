package materialize

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"spacefs/internal/attributes"
	"spacefs/materialize/fold"
	"spacefs/materialize/manifest"
)

func hashOf(text []byte) [32]byte { return sha256.Sum256(text) }

// documentMetadata is NAME.meta.json: what the file itself cannot carry.
type documentMetadata struct {
	ID       string    `json:"id,omitempty"`
	Path     string    `json:"path"`
	Size     int64     `json:"size"`
	SHA256   string    `json:"sha256,omitempty"`
	Revision int       `json:"revision,omitempty"`
	Mode     string    `json:"mode"`
	Modified time.Time `json:"modified"`
	// Attributes are the extended ones.
	Attributes attributes.Set `json:"attributes,omitempty"`
}

// addMetadata puts a description beside each document.
func (p *exportPlan) addMetadata(names *fold.Names) {
	for i := range len(p.entries) {
		e := p.entries[i]
		if e.Kind != manifest.Document {
			continue
		}
		m := documentMetadata{
			ID: e.ID, Path: e.Path, Size: e.Size, Revision: e.Revision, Mode: fmt.Sprintf("%04o", e.Mode), Modified: time.Unix(0, e.Mtime).UTC(), Attributes: e.Attributes,
		}
		if p.sources[i].hashed {
			m.SHA256 = fmt.Sprintf("%x", e.SHA256)
		}
		text, err := json.MarshalIndent(m, "", "  ")
		if err != nil {
			text = []byte("{}") // a year that JSON does not have
		}
		p.addMade(manifest.Metadata, e.Path, names.Take(e.Path, e.Name+".meta.json"), e.Mtime, append(text, '\n'))
	}
}

// addContents puts a table of contents into every folder.
func (p *exportPlan) addContents(names *fold.Names) {
	type folder struct {
		path  string
		mtime int64
		lines []string
	}
	folders := map[string]*folder{"": {}}
	order := []string{""}
	for i := range p.entries {
		if e := &p.entries[i]; e.Kind == manifest.Directory && e.Name != "" {
			folders[e.Name] = &folder{path: e.Path, mtime: e.Mtime}
			order = append(order, e.Name)
		}
	}
	for i := range p.entries {
		e := &p.entries[i]
		if e.Name == "" {
			continue
		}
		dir, last := splitPath(e.Name)
		f := folders[dir]
		f.mtime = max(f.mtime, e.Mtime)
		title, link := last, url.PathEscape(last)
		if e.Kind == manifest.Directory {
			title, link = last+"/", link+"/"
		}
		f.lines = append(f.lines, fmt.Sprintf("- [%s](%s)\n", inMarkdown(title), link))
	}
	for _, dir := range order {
		f := folders[dir]
		_, title := splitPath(dir)
		if dir == "" {
			title = "Contents"
		}
		text := "# " + inMarkdown(title) + "\n\n" + strings.Join(f.lines, "")
		p.addMade(manifest.Contents, f.path, names.Take(f.path, join(dir, "contents.md")), f.mtime, []byte(text))
	}
}

// inMarkdown keeps a name from being read as Markdown.
func inMarkdown(name string) string {
	return strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, "*", `\*`, "_", `\_`, "`", "\\`", "<", `\<`, "\n", " ").Replace(strings.ToValidUTF8(name, "\uFFFD"))
}
