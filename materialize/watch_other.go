//go:build !linux

package materialize

// watcher would follow a mirror. There is none here yet: everything is looked at
// again and again.
type watcher struct{ *hints }

func newWatcher(string, func(string) bool) *watcher {
	w := &watcher{newHints()}
	w.always = "changes are not told on this system"
	return w
}

func (w *watcher) enter(string, directory) {}
func (w *watcher) close()                  {}
