// ERROR: name_option_comma.go:9: the tag of field A of S has the name "a,omitempty"; a name has no commas or spaces, and there are no options

package name_option_comma

import "context"

// S is tagged as for JSON.
type S struct {
	A int `mallee:"a,omitempty"`
}

//mallee:actor
type A interface {
	Do(ctx context.Context, s S) error
}
