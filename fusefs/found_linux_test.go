package fusefs_test

import "testing"

// found are sequences that once made a difference, as short as they get.
var found = map[string][]action{}

func TestDifferencesThatWereFoundStayAway(t *testing.T) {
	for _, name := range sortedKeys(found) {
		t.Run(name, func(t *testing.T) { differ(t, name) })
	}
}
