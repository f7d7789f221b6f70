// ERROR: parameter c of A.Do is a channel, which cannot leave its process; call a method for each value instead

package channel

import "context"

//mallee:actor
type A interface {
	Do(ctx context.Context, c chan int) error
}
