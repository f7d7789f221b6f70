// Package data has the name of a local variable.
package data

// Blob is a slice.
type Blob []string
