package daemon

// usersOf: lsof knows here.
func usersOf(mountpoint string) []user { return nil }
