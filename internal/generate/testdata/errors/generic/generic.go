// ERROR: actor interface A has type parameters; make one interface for each type that you need

package generic

import "context"

//mallee:actor
type A[T any] interface {
	Do(ctx context.Context) error
}
