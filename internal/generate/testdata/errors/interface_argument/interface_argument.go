// ERROR: parameter v of A.Do is the interface any, whose values cannot be decoded; use a struct type

package interface_argument

import "context"

//mallee:actor
type A interface {
	Do(ctx context.Context, v any) error
}
