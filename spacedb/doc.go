// Package spacedb is the truth: a tree of documents, its history, journal and
// bases in one SQLite file. It owns every rule about names, links, times and
// content, and is the only package that speaks SQL.
package spacedb
