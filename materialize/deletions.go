package materialize

import (
	"time"

	"spacefs/conflict"
)

// deletions are those of the last minute. To who follows a directory, rm -rf is
// a few deletions at a time: together they must not slip past the guard.
type deletions struct{ list []deleted }

type deleted struct {
	at            time.Time
	space, mirror int
}

const deletionsCount = time.Minute // for so long

func (d *deletions) add(r SyncResult) {
	done := conflict.Plan{Actions: r.Plan.Actions}
	if space, mirror := done.Deletions(); space+mirror > 0 {
		d.list = append(d.list, deleted{time.Now(), space, mirror})
	}
}

// with adds them to those of a plan.
func (d *deletions) with(space, mirror int) (int, int) {
	if space+mirror == 0 {
		return 0, 0
	}
	for len(d.list) > 0 && time.Since(d.list[0].at) > deletionsCount {
		d.list = d.list[1:]
	}
	for _, e := range d.list {
		space, mirror = space+e.space, mirror+e.mirror
	}
	return space, mirror
}
