package daemon

import (
	"fmt"
	"strings"
)

// user is a program that uses a mount, and how.
type user struct {
	pid   int
	name  string
	holds string // "works in DIR", "has FILE open"
}

func (u user) String() string { return fmt.Sprintf("%s (pid %d, %s)", u.name, u.pid, u.holds) }

// inUse says who uses a mount, for a person: "" when nobody can be seen.
func inUse(mountpoint string) string {
	const most = 5
	users := usersOf(mountpoint)
	var names []string
	for _, u := range users[:min(len(users), most)] {
		names = append(names, u.String())
	}
	if more := len(users) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
