// ERROR: stray.go:10: //mallee:actor does not stand directly above a type or a method of an interface, so it would do nothing; move it there
// ERROR: stray.go:16: "// mallee:oneway" is a comment like any other because of its space; write //mallee:oneway
// ERROR: stray.go:21: //mallee:readonly does not stand directly above a type or a method of an interface
// ERROR: stray.go:26: //mallee:immutable does not stand directly above a type or a method of an interface

package stray

import "context"

//mallee:actor

// A is not directly below.
type A interface {
	// Do does nothing.
	//
	// mallee:oneway
	Do(ctx context.Context) error
}

type item struct {
	//mallee:readonly
	Field int
}

type (
	//mallee:immutable

	// B is not directly below either.
	B interface{ A }
)

var _ item
