// ERROR: parameter f of A.Do is a function, which cannot leave its process; pass the mallee.ID of an actor to call back

package function

import "context"

//mallee:actor
type A interface {
	Do(ctx context.Context, f func()) error
}
