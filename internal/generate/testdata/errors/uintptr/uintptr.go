// ERROR: parameter p of A.Do is a uintptr, which means nothing on another node; pass the value itself

package uintptr

import "context"

//mallee:actor
type A interface {
	Do(ctx context.Context, p uintptr) error
}
