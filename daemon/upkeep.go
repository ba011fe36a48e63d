package daemon

import (
	"context"

	"spacefs/spacedb"
)

// upkeepOperations are those that look after the space's file.
func (s *service) upkeepOperations(ctx context.Context) map[string]operation {
	return map[string]operation{
		"prune":   operationOf(func(r PruneRequest) (any, error) { return s.store.Prune(ctx, r.Keep, r.DryRun) }),
		"backup":  operationOf(func(dest string) (any, error) { return s.store.Backup(ctx, dest) }),
		"compact": operationOf(func(struct{}) (any, error) { return s.store.Compact(ctx) }),
		"sql":     operationOf(func(query string) (any, error) { return s.store.Query(ctx, query) }),
	}
}

// PruneRequest is a prune as a command asks for it.
type PruneRequest struct {
	Keep   spacedb.KeepRules `json:"keep"`
	DryRun bool              `json:"dry_run"`
}

// Prune removes the revisions that no rule keeps.
func (s *Space) Prune(ctx context.Context, r PruneRequest) (out spacedb.PruneResult, err error) {
	err = s.call(ctx, "prune", r, &out, nil, nil)
	return out, err
}

// Backup writes a copy of the space as it is now, and verifies it.
func (s *Space) Backup(ctx context.Context, dest string) (out spacedb.BackupResult, err error) {
	err = s.call(ctx, "backup", dest, &out, nil, nil)
	return out, err
}

// Compact gives the file's free space back.
func (s *Space) Compact(ctx context.Context) (out spacedb.CompactResult, err error) {
	err = s.call(ctx, "compact", struct{}{}, &out, nil, nil)
	return out, err
}

// Query reads the public views.
func (s *Space) Query(ctx context.Context, query string) (out spacedb.Table, err error) {
	err = s.call(ctx, "sql", query, &out, nil, nil)
	return out, err
}
