// Package mallee is the vocabulary to write actors.
package mallee
