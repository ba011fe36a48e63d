package spacedb

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// writeBack lets the disk begin with the WAL of a large commit while SQLite is
// still writing it; the sync at the end then finds little left to wait for. That
// it fails costs nothing but time. Opening the WAL is safe, as in prepareWAL.
func (s *Store) writeBack(batches []*batch) (stop func()) {
	const worth, apart = 8 << 20, 4 * time.Millisecond
	size := int64(0)
	for _, b := range batches {
		size += b.bytes
	}
	if size < worth {
		return func() {}
	}
	f, err := os.OpenFile(s.path+"-wal", os.O_WRONLY, 0)
	if err != nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer f.Close()
		tick := time.NewTicker(apart)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				_ = unix.SyncFileRange(int(f.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}
