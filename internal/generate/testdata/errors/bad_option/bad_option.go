// ERROR: //mallee:actor nme=x is not understood; the option is name=NAME

package bad_option

import "context"

//mallee:actor nme=x
type A interface {
	Do(ctx context.Context) error
}
