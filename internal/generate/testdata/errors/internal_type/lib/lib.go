// Package lib shows a type that others cannot name.
package lib

import "github.com/mallee-io/mallee/internal/generate/testdata/errors/internal_type/lib/internal/deep"

// S holds such a type.
type S struct{ Deep []deep.D }
