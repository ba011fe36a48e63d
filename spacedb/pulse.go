package spacedb

import "sync"

// pulses wake whoever waits for any change of the tree, by whomever. What
// changed, the journal says.
type pulses struct {
	mu  sync.Mutex // a leaf
	all map[chan struct{}]struct{}
}

// Pulse returns a channel on which there is something to receive after the tree
// changed, once for any number of changes; stop ends it.
func (s *Store) Pulse() (pulse <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	p := &s.pulses
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = map[chan struct{}]struct{}{}
	}
	p.all[c] = struct{}{}
	return c, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.all, c)
	}
}

func (p *pulses) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.all {
		signal(c)
	}
}
