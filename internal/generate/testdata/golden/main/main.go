// WANT: package main
// WANT: func LonelyOf(

// The actors of a program may stand in its package main.
package main

import "context"

// Lonely has no methods but one.
//
//mallee:actor
type Lonely interface {
	Do(ctx context.Context) error
}

func main() { var _ = LonelyOf }
