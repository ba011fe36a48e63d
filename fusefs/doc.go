// Package fusefs translates the kernel's FUSE protocol to a spacedb.Tree. It
// holds no names, no children and no sizes: a request's node id is the inode
// number, and every rule about the tree is spacedb's.
//
// What happens on write(2):
//
//	write(2) → kernel: page cache, then a WRITE request of at most 1 MiB
//	  → fileSystem.Write (file.go)
//	  → spacedb.Tree.WriteAt: the bytes are copied into the node's pages in
//	    memory, the operation takes the next sequence number, and is answered
//	  → within half a second, or at once for fsync(2): Store.commit cuts
//	    everything dirty into one batch and writes it as one SQLite
//	    transaction with synchronous=FULL. Durability begins when that
//	    commit returns.
//	  → when the document has been quiet for two seconds and nobody has it
//	    open for writing, the sealer makes a revision of it.
//
// OPEN, FLUSH, OPENDIR and CREATE are answered ENOSYS. The kernel then stops
// sending them and opens, reads and closes what it has cached without asking
// at all; the price is that nobody tells us when a file is closed.
package fusefs
