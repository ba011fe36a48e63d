//go:build !sabotage

package spacedb

// sabotage is what a build with the tag of that name does wrong, to see that the
// crash tests find it out. Everybody else's does nothing wrong.
const sabotage = ""
