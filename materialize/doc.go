// Package materialize has the effects between a space and plain directories:
// it scans, executes the plans that package conflict makes, exports and imports.
// Everything below a directory is reached through os.Root, so that no symlink
// leads out of it.
package materialize
