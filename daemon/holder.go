package daemon

import (
	"errors"
	"net"
	"syscall"
	"time"

	"spacefs/spacedb"
)

// dying is how long a daemon that was killed may take to let go of its space:
// until the disk has done what it was asked for, its lock stays.
const dying = 10 * time.Second

// holder says who has a space, once it is somebody who lives: a daemon that has
// a socket and does not answer on it is on its way out.
func holder(space string) (h spacedb.Holder, held bool, err error) {
	for deadline := time.Now().Add(dying); ; time.Sleep(10 * time.Millisecond) {
		h, held, err = spacedb.WhoHolds(space)
		if err != nil || !held || h.Socket == "" || answers(h.Socket) || time.Now().After(deadline) {
			return h, held, err
		}
	}
}

// answers says whether somebody listens, also if it is not to us.
func answers(socket string) bool {
	c, err := net.Dial("unix", socket)
	if err == nil {
		c.Close()
	}
	return !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ENOENT)
}
