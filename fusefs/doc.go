// Package fusefs translates the kernel's FUSE protocol to a spacedb.Tree. It
// holds no names, no children and no sizes: a request's node id is the inode
// number, and every rule about the tree is spacedb's.
//
// What happens on write(2), hop by hop:
//
//	write(2)
//	  → the kernel: page cache, then one WRITE request of at most 1 MiB
//	    (of a file not written before, preceded by a GETXATTR: is it privileged?)
//	  → counter.Write (count.go): counted
//	  → fileSystem.Write (file.go)
//	  → spacedb.Tree.WriteAt: the bytes are copied into the document's pages in
//	    memory and the operation takes the next sequence number. It is answered;
//	    write(2) returns.
//	  → within half a second, or at once for fsync(2), which is a FSYNC request
//	    and fileSystem.Fsync: Store.commit cuts everything that is dirty into one
//	    batch and writes it as one SQLite transaction with synchronous=FULL.
//	    Durability begins when that commit returns.
//	  → when the document has been quiet for two seconds and nobody has it open
//	    for writing (Server.Busy, lease.go), the sealer makes a revision of it.
//
// OPEN, FLUSH, OPENDIR and CREATE are refused (refusals.go). The kernel then
// opens, reads and closes what it has cached without asking at all; the price is
// that nobody tells us when a file is closed.
//
// The kernel believes what it is told for an hour, since nothing changes but
// through us. What does not come through the mount (a sync, a restore) the
// notifier takes back (notify.go), and the echo makes programs that watch files
// hear of it (echo.go).
//
// A request passes echo → counter → fileSystem; each is a fuse.RawFileSystem.
package fusefs
