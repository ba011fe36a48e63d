// Package seed gives random tests their seed.
package seed

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// variable names the environment's word on seeds: a number to replay a run, or
// "random" for one that never was.
const variable = "SPACEFS_SEED"

// Of returns the seed of a random test and logs it. It is the same in every run
// unless the environment says otherwise: what a change breaks shows in the run
// that tests the change, and looking for what nobody has seen yet is for long
// runs (make fuzz).
func Of(t testing.TB) int64 {
	t.Helper()
	seed := int64(1)
	switch text := os.Getenv(variable); text {
	case "":
	case "random":
		seed = time.Now().UnixNano()
	default:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatalf("%s is %q: it must be a number, or random", variable, text)
		}
		seed = n
	}
	t.Logf("%s=%d", variable, seed)
	return seed
}
