package crdt

import "errors"

// Errors of changes and of what others send.
var (
	ErrKind      = errors.New("the value is of another kind")
	ErrDeleted   = errors.New("the value has been deleted")
	ErrIllegal   = errors.New("the change is not possible")
	ErrMalformed = errors.New("malformed")
)

// Value is one replicated value. It is not safe for concurrent use.
type Value struct {
	kind Kind
}

// NewValue is the empty value of a kind.
func NewValue(k Kind) *Value { return &Value{kind: k} }

// Kind is the value's kind.
func (v *Value) Kind() Kind { return v.kind }

// Change changes the value for this node, whose open batch is at; now is the wall
// clock in milliseconds since 1970. What it has done is part of the next effect.
// After an error nothing has changed.
func (v *Value) Change(at Dot, now int64, d *Delta) error { panic("not yet") }

// Count is Change for counters, and gives the value then.
func (v *Value) Count(at Dot, change int64) (value int64, err error) { panic("not yet") }

// Pending reports whether the value has changed since the last AppendEffect.
func (v *Value) Pending() bool { panic("not yet") }

// AppendEffect appends the effect of all changes since the last one. at is the
// dot that they were made under.
func (v *Value) AppendEffect(b []byte, at Dot) []byte { panic("not yet") }

// EffectKind is the kind of value that an effect is for.
func EffectKind(effect []byte) (Kind, error) { panic("not yet") }

// Apply applies an effect of another replica, whose changes were made under the
// dot at when it had seen what the clock seen has, and its own before at. Its
// errors are ErrKind and ErrMalformed; after one nothing has changed. To apply an
// effect again, or one that the value has in it already, changes nothing once
// those after it are applied again too.
func (v *Value) Apply(at Dot, seen *Clock, effect []byte) (changed bool, err error) {
	panic("not yet")
}

// Merge takes in what another node has of the value. mine and theirs are what the
// two nodes have seen. The other value must not be used any more. ErrKind: it is
// of another kind.
func (v *Value) Merge(mine *Clock, other *Value, theirs *Clock) (changed bool, err error) {
	panic("not yet")
}

// Fold moves what a replica has counted to the replica 0, and drops its votes.
// Nothing of it that the node has not seen may arrive later.
func (v *Value) Fold(r ReplicaID) { panic("not yet") }

// AppendBinary appends the value, without what is pending.
func (v *Value) AppendBinary(b []byte) ([]byte, error) { panic("not yet") }

// ParseValue reads what AppendBinary wrote. It keeps nothing of b.
func ParseValue(b []byte) (*Value, error) { panic("not yet") }
