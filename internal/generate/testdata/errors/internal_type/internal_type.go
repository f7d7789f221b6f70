// ERROR: parameter s of A.Do (field Deep of lib.S) has the type deep.D of github.com/mallee-io/mallee/internal/generate/testdata/errors/internal_type/lib/internal/deep, which only packages beside it can import; use a type of your own

package internal_type

import (
	"context"

	"github.com/mallee-io/mallee/internal/generate/testdata/errors/internal_type/lib"
)

//mallee:actor
type A interface {
	Do(ctx context.Context, s lib.S) error
}
