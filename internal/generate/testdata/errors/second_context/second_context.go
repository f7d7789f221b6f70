// ERROR: parameter again of A.Do is a second place for a context; make it the first parameter, and the only one

package second_context

import "context"

//mallee:actor
type A interface {
	Do(ctx, again context.Context) error
}
