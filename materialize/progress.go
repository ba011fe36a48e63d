package materialize

// Reporter is told how work goes on. Calls come from one goroutine at a time.
type Reporter interface {
	// Phase begins a part of the work; total is 0 when it is not known.
	Phase(name string, total int)
	// Step is one more thing done.
	Step()
	// Notice is a line the user should see.
	Notice(line string)
}

type silent struct{}

func (silent) Phase(string, int) {}
func (silent) Step()             {}
func (silent) Notice(string)     {}
