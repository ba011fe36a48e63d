package spacedb

import (
	"errors"
	"sync"
)

// readerPool holds read-only connections for content, history and snapshots.
// Each is used by one goroutine at a time.
type readerPool struct {
	path string
	mode string

	mu     sync.Mutex
	idle   []*conn
	closed bool
}

// idleReaders is how many connections wait for the next reader; more are
// opened when needed and closed afterwards.
const idleReaders = 4

func (p *readerPool) get() (*conn, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	if last := len(p.idle) - 1; last >= 0 {
		c := p.idle[last]
		p.idle = p.idle[:last]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	return openConn(p.path, p.mode)
}

func (p *readerPool) put(c *conn) {
	p.mu.Lock()
	keep := !p.closed && len(p.idle) < idleReaders
	if keep {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if !keep {
		c.close()
	}
}

func (p *readerPool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var err error
	for _, c := range p.idle {
		err = errors.Join(err, c.close())
	}
	p.idle = nil
	return err
}
