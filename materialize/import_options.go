package materialize

import (
	"fmt"

	"spacefs/materialize/fold"
)

// OnConflict is what an import does with a document that is there already with
// other content.
type OnConflict string

const (
	Overwrite OnConflict = "overwrite" // its content stays in history
	SkipIt    OnConflict = "skip"
	RenameIt  OnConflict = "rename" // the newcomer gets another name
)

// ParseOnConflict reads the word; "" is Overwrite.
func ParseOnConflict(text string) (OnConflict, error) {
	switch c := OnConflict(text); c {
	case "":
		return Overwrite, nil
	case Overwrite, SkipIt, RenameIt:
		return c, nil
	}
	return "", fmt.Errorf("no way is called %q; there are overwrite, skip, rename", text)
}

// ImportOptions of Import and ImportTar.
type ImportOptions struct {
	Into             string // a directory of the space; made if it is missing
	OnConflict       OnConflict
	Include, Exclude []string     // patterns, as gitignore has them; no Include: everything
	Variant          fold.Variant // Flat: names are unfolded although there is no manifest
	NoManifest       bool         // a manifest is passed over
	Ignore           bool         // leaves alone what the directory's IgnoreFiles say, as a sync does
	Metadata         bool         // extended attributes, too; an export that has them brings them anyway
	Reporter         Reporter
}

// ImportResult is what an import brought.
type ImportResult struct {
	Run       int64       `json:"run"`
	Imported  int         `json:"imported"`
	Unchanged int         `json:"unchanged"`
	Skipped   int         `json:"skipped"`
	Edited    int         `json:"edited"`   // of a manifest's: not as exported
	Vanished  int         `json:"vanished"` // of a manifest's: not there any more
	Bytes     int64       `json:"bytes"`
	Notices   []string    `json:"notices,omitempty"`
	Failed    []PathError `json:"failed,omitempty"`
}

func (r *ImportResult) counts() map[string]int64 {
	return map[string]int64{
		"imported": int64(r.Imported), "unchanged": int64(r.Unchanged), "skipped": int64(r.Skipped), "edited": int64(r.Edited),
		"vanished": int64(r.Vanished), "bytes": r.Bytes, "failed": int64(len(r.Failed)),
	}
}
