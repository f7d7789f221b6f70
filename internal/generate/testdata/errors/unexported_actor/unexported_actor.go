// ERROR: actor interface a is not exported, so its references could not be; call it A

package unexported_actor

import "context"

//mallee:actor
type a interface {
	Do(ctx context.Context) error
}
