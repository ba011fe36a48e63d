package daemon

import (
	"sync"

	"spacefs/materialize"
)

// relay passes progress on to whoever listens at the moment, if anybody.
type relay struct {
	mu sync.Mutex
	to materialize.Reporter
}

func (r *relay) set(to materialize.Reporter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
}

func (r *relay) tell(fn func(materialize.Reporter)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to != nil {
		fn(r.to)
	}
}

func (r *relay) Phase(name string, total int) {
	r.tell(func(to materialize.Reporter) { to.Phase(name, total) })
}

func (r *relay) Step() { r.tell(materialize.Reporter.Step) }

func (r *relay) Notice(line string) {
	r.tell(func(to materialize.Reporter) { to.Notice(line) })
}
