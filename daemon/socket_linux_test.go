package daemon_test

import (
	"context"
	"net"
	"testing"

	"spacefs/spacedb"
)

// A daemon that still waits for who is connected to it, when the space is mounted
// again, takes its own socket away in the end and not the new one's.
func TestADaemonThatEndsLeavesTheNextOnesSocketAlone(t *testing.T) {
	file, mnt := places(t)
	first, ended := serve(t, file, mnt)
	holder, _, err := spacedb.WhoHolds(file)
	ok(t, err)
	visitor, err := net.Dial("unix", holder.Socket)
	ok(t, err)
	_, err = first.Unmount(context.Background(), false, silent)
	ok(t, err)
	second, _ := serve(t, file, mnt)
	ok(t, visitor.Close())
	<-ended
	_, err = second.Status(context.Background())
	ok(t, err)
}
