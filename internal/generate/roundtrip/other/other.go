// Package other has types that actor interfaces of another package carry.
package other

// Item is a plain struct.
type Item struct {
	Name string
	Tags []string
}

// Pair is generic.
type Pair[A, B any] struct {
	First  A
	Second B
}

// Apart has fields that do not travel, one of them of a type that nobody else
// can name.
type Apart struct {
	Names  []string
	Secret string   `mallee:"-"`
	Notify func()   `mallee:"-" json:"-"`
	own    resource `mallee:"-"`
}

type resource chan int

// Own makes the fields that do not travel.
func (a Apart) Own() Apart {
	a.Secret, a.Notify, a.own = "secret", func() {}, make(resource)
	return a
}

// Stripped reports whether those fields are gone.
func (a Apart) Stripped() bool { return a.Secret == "" && a.Notify == nil && a.own == nil }

// Labels never change.
//
//mallee:immutable
type Labels map[string]int

// Plan never changes, whoever points to it.
//
//mallee:immutable
type Plan struct{ Rooms []string }
