package daemon

import (
	"sync"

	"spacefs/materialize"
)

// relay passes events on to whoever listens at the moment, if anybody.
type relay struct {
	mu sync.Mutex
	to []materialize.Reporter
}

func newRelay(to ...materialize.Reporter) *relay { return &relay{to: to} }

// also lets one more listen; it returns how that one stops.
func (r *relay) also(to materialize.Reporter) (leave func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = append(r.to, to)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for i, have := range r.to {
			if have == to {
				r.to = append(r.to[:i:i], r.to[i+1:]...)
				return
			}
		}
	}
}

// only lets nobody listen but to.
func (r *relay) only(to materialize.Reporter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = []materialize.Reporter{to}
}

func (r *relay) Tell(e materialize.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, to := range r.to {
		to.Tell(e)
	}
}

func (r *relay) Step() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, to := range r.to {
		to.Step()
	}
}
