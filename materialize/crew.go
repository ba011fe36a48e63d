package materialize

import (
	"os"
	"runtime"
	"sync"
)

// crew does to a mirror what several can do at once. A sync of many files spends
// most of its time in the kernel, making and renaming them, and there as many can
// work as there are processors.
type crew struct {
	own     member // the executor's own, who does what is little
	recruit func() member
	jobs    chan func(member) // nil: nobody else was needed yet
	undone  sync.WaitGroup    // jobs
	members sync.WaitGroup
}

// member has a disk of its own, because directories are kept open for one only.
type member struct {
	disk  disk
	reach *reach
}

// newCrew works on a mirror: all tell durable what they write, and tests wrap the
// disk of each.
func newCrew(root *os.Root, durable *writeback, wrap func(disk) disk) *crew {
	c := &crew{recruit: func() member {
		r := &reach{root: root}
		m := member{newDisk(root, r, durable), r}
		if wrap != nil {
			m.disk = wrap(m.disk)
		}
		return m
	}}
	c.own = c.recruit()
	return c
}

// do has a job done by another member, and waits until one is nearly free.
func (c *crew) do(job func(member)) {
	if c.jobs == nil {
		n := max(2, runtime.GOMAXPROCS(0))
		c.jobs = make(chan func(member), n)
		for range n {
			c.members.Go(c.work)
		}
	}
	c.undone.Add(1)
	c.jobs <- job
}

func (c *crew) work() {
	m := c.recruit()
	for job := range c.jobs {
		job(m)
		m.reach.letGo() // between two jobs a directory may move
		c.undone.Done()
	}
}

// wait returns when all jobs are done.
func (c *crew) wait() { c.undone.Wait() }

// share has n things done in parts, many by several and few by who asks, and
// returns when they are.
func (c *crew) share(n int, part func(m member, from, to int)) {
	if n <= parcelFiles {
		part(c.own, 0, n)
		return
	}
	for from := 0; from < n; from += parcelFiles {
		c.do(func(m member) { part(m, from, min(from+parcelFiles, n)) })
	}
	c.wait()
}

// end dismisses all others, after what they have to do.
func (c *crew) end() {
	if c.jobs != nil {
		close(c.jobs)
		c.members.Wait()
		c.jobs = nil
	}
}
