package materialize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// While many hands make a mirror, somebody works in it: he makes files where some
// are about to come, and moves directories that are just being filled away.
// Nothing of his is lost, nothing of the space's, and both sides come to agree.
func TestManyHandsBesideSomebodyElse(t *testing.T) {
	rng, rounds := seeded(t, 2)
	texts, took := 0, 0
	for range rounds {
		p := newPair(t)
		const dirs, files = 24, 12
		var all []string
		text := func(format string, a ...any) string {
			all = append(all, fmt.Sprintf(format, a...))
			return all[len(all)-1]
		}
		for d := range dirs {
			for f := range files {
				p.inSpace(fmt.Sprintf("d%02d/f%02d", d, f), text("the space's %d %d", d, f))
			}
		}
		ended := make(chan error)
		go func() {
			_, err := Sync(context.Background(), p.store, p.dir, SyncOptions{AcceptDeletes: true})
			ended <- err
		}()
		for running := true; running; {
			select {
			case err := <-ended:
				p.ok(err)
				running = false
			default:
			}
			took++
			dir := filepath.Join(p.dir, fmt.Sprintf("d%02d", rng.Intn(dirs)))
			switch rng.Intn(8) {
			case 0:
				if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
					t.Fatal(err)
				}
			case 1:
				if err := os.Rename(dir, fmt.Sprintf("%s away %d", dir, took)); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
			default:
				f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("f%02d", rng.Intn(files+2))), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
				if err != nil { // there is one, or no such directory
					continue
				}
				_, err = f.WriteString(text("somebody's %d", took))
				p.ok(errors.Join(err, f.Close()))
			}
		}
		for tries := 0; ; tries++ {
			r, err := Sync(context.Background(), p.store, p.dir, SyncOptions{AcceptDeletes: true})
			p.ok(err)
			if len(r.Failed) == 0 && len(r.Plan.Actions) == 0 {
				break
			}
			if tries == 3 {
				t.Fatalf("it does not come to rest: %v, %+v", r.Failed, r.Plan.Actions)
			}
		}
		p.agree()
		p.inHistory(all...)
		p.nothingStaged()
		texts += len(all)
	}
	t.Logf("%d rounds, %d texts, %d times somebody did something", rounds, texts, took)
}
