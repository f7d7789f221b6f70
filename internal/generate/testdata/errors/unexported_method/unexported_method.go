// ERROR: method A.do is not exported, so no other package could implement it; call it Do

package unexported_method

import "context"

//mallee:actor
type A interface {
	do(ctx context.Context) error
}
