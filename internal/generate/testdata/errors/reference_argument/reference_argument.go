// ERROR: the type of parameter b of A.Do is not known

package reference_argument

import "context"

//mallee:actor
type A interface {
	Do(ctx context.Context, b ARef) error
}
