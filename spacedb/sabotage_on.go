//go:build sabotage

package spacedb

import "os"

// sabotage: "no sync" commits without syncing; "no order" leaves out of a
// commit, now and then, what the next one brings; "no commit", which only
// benchmarks use, writes nothing at all and calls it durable.
var sabotage = os.Getenv("SPACEFS_SABOTAGE")
