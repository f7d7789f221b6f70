// ERROR: actor interface A stands in a file that depends on a build constraint, but what is generated is always built; move it to another file

//go:build linux || !linux

package build_constraint

import "context"

//mallee:actor
type A interface {
	Do(ctx context.Context) error
}
