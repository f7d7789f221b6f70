// Package other has parts of an actor interface of another package.
package other

import "context"

// Looker is one of them.
type Looker interface {
	//mallee:readonly
	Look(ctx context.Context) (string, error)
}

// Labels never change.
//
//mallee:immutable
type Labels map[string][]string

// Plan never changes, whoever points to it.
//
//mallee:immutable
type Plan struct{ Rooms []string }
