// Package other has types that actor interfaces of another package carry.
package other

// Item is a plain struct.
type Item struct {
	Name string
	Tags []string
}

// Pair is generic.
type Pair[A, B any] struct {
	First  A
	Second B
}
