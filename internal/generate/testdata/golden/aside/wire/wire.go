// Package wire has the name of another import.
package wire

// Text is text.
type Text string
