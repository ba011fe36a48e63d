package daemon

import (
	"context"
	"io"

	"spacefs/materialize"
	"spacefs/materialize/fold"
	"spacefs/spacedb"
)

// streamed stands for a directory: a tar stream instead.
const streamed = "-"

// ExportRequest is an export as a command asks for it.
type ExportRequest struct {
	Dir         string          `json:"dir"` // "-": a tar stream
	Variant     fold.Variant    `json:"variant"`
	Include     []string        `json:"include,omitempty"`
	Exclude     []string        `json:"exclude,omitempty"`
	At          *spacedb.Moment `json:"at,omitempty"`
	Metadata    bool            `json:"metadata,omitempty"`
	Index       bool            `json:"index,omitempty"`
	Incremental bool            `json:"incremental,omitempty"`
	DryRun      bool            `json:"dry_run,omitempty"`
}

// Export writes the tree into a directory, or as a tar stream to w.
func (s *Space) Export(ctx context.Context, r ExportRequest, report materialize.Reporter, w io.Writer) (out materialize.ExportResult, err error) {
	err = s.call(ctx, "export", r, &out, report, w)
	return out, err
}

func (s *service) export(ctx context.Context, r ExportRequest, report materialize.Reporter, w io.Writer) (any, error) {
	o := materialize.ExportOptions{
		Variant: r.Variant, Include: r.Include, Exclude: r.Exclude, At: r.At, Metadata: r.Metadata, Index: r.Index,
		Incremental: r.Incremental, DryRun: r.DryRun, Reporter: report,
	}
	if r.Dir == streamed {
		return materialize.ExportTar(ctx, s.store, w, o)
	}
	if err := s.checkPlaces(r.Dir, "directory"); err != nil {
		return nil, err
	}
	return materialize.Export(ctx, s.store, r.Dir, o)
}

// ImportRequest is an import as a command asks for it.
type ImportRequest struct {
	Dir        string                 `json:"dir"` // "-": a tar stream
	Into       string                 `json:"into"`
	OnConflict materialize.OnConflict `json:"on_conflict"`
	Variant    fold.Variant           `json:"variant,omitempty"`
	Include    []string               `json:"include,omitempty"`
	Exclude    []string               `json:"exclude,omitempty"`
	NoManifest bool                   `json:"no_manifest,omitempty"`
	Metadata   bool                   `json:"metadata,omitempty"`
}

// Import brings a directory, or a tar stream that it reads from in, into the
// space.
func (s *Space) Import(ctx context.Context, r ImportRequest, report materialize.Reporter, in io.Reader) (out materialize.ImportResult, err error) {
	if r.Dir != streamed {
		in = nil
	}
	err = s.call(ctx, "import", r, &out, report, stream{in, io.Discard})
	return out, err
}

func (s *service) importFrom(ctx context.Context, r ImportRequest, report materialize.Reporter, data io.Writer) (any, error) {
	o := materialize.ImportOptions{
		Into: r.Into, OnConflict: r.OnConflict, Variant: r.Variant, Include: r.Include, Exclude: r.Exclude, NoManifest: r.NoManifest, Metadata: r.Metadata,
		Reporter: report,
	}
	if r.Dir == streamed {
		return materialize.ImportTar(ctx, s.store, data.(stream), o)
	}
	if err := s.checkPlaces(r.Dir, "directory"); err != nil {
		return nil, err
	}
	return materialize.Import(ctx, s.store, r.Dir, o)
}
