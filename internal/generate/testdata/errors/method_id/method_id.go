// ERROR: method A.ID would hide the ID of its reference; call it something else

package method_id

import "context"

//mallee:actor
type A interface {
	ID(ctx context.Context) error
}
