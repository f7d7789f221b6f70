// Package ferrettest runs the tests of the MongoDB store against FerretDB, a
// server of MongoDB's protocol in Go. It is a module of its own, so that
// FerretDB stays out of programs that use the store.
package ferrettest
