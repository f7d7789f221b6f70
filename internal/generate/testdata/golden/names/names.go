// WANT: func (r_ GreedyRef) Take(ctx_ context.Context, ctx int, r string, call bool) error
// WANT: Ctx int `json:"ctx"`
// WANT: call_ := &greedyTakeCall
// WANT: Arg1 int `json:"arg1"`
// WANT: Result2 string `json:"result2"`
// WANT: A_ int `json:"A"`

// Package names has parameters whose names the generated code wants itself.
package names

import "context"

// Greedy takes all names.
//
//mallee:actor
type Greedy interface {
	Take(c context.Context, ctx int, r string, call bool) error
	Unnamed(context.Context, int, bool) (int, string, error)
	Case(c context.Context, a int, A int) error
}
