// ERROR: many.go:15: field hidden of Item, in parameter a of A.First, is not exported
// ERROR: many.go:20: method A.First cannot report that a call has failed; make its last result an error
// ERROR: many.go:21: method A.Second does not take a context; make its first parameter ctx context.Context
// ERROR: many.go:23: one-way method A.Third has results that nobody waits for
// ERROR: many.go:23: result 1 of A.Third is a channel
// ERROR: many.go:24: the type of parameter x of A.Fourth is not known (undefined: Missing)

package many

import "context"

// Item is carried by two methods, but wrong once.
type Item struct {
	Shown  int
	hidden int
}

//mallee:actor
type A interface {
	First(ctx context.Context, a, b Item) int
	Second(a Item) error
	//mallee:oneway
	Third(ctx context.Context) (chan int, error)
	Fourth(ctx context.Context, x Missing) error
}
