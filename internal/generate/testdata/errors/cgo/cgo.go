// ERROR: actor interface A stands in a file that depends on cgo, but what is generated is always built; move it to another file

package cgo

// int x;
import "C"

import "context"

//mallee:actor
type A interface {
	Do(ctx context.Context, x C.int) error
}
