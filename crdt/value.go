package crdt

import (
	"errors"
	"fmt"
)

// Errors of changes and of what others send.
var (
	ErrKind      = errors.New("the value is of another kind")
	ErrDeleted   = errors.New("the value has been deleted")
	ErrIllegal   = errors.New("the change is not possible")
	ErrMalformed = errors.New("malformed")
)

func illegal(why string) error { return fmt.Errorf("%w: %s", ErrIllegal, why) }

// Value is one replicated value. It is not safe for concurrent use.
//
// What this node has changed is pending until AppendEffect. Nothing may be while the
// value takes in what others have done, by Apply, Merge or Fold, unless it is a
// counter: an effect has seen all that was there before.
type Value struct {
	kind     Kind
	pending  bool
	contents contents
}

// contents is what there is to a value of a kind.
type contents interface {
	// empty reports whether there are no atoms.
	empty() bool
	// change does what check has found possible. nested: in an ORMap, where it has to
	// win over a remove of the key.
	change(at Dot, now int64, d *Delta, nested bool) (changed bool)
	// effect fills in what the open batch, at, has changed, and begins the next one.
	effect(at Dot, e *effect)
	// apply applies an effect whose batch, at, had seen the past.
	apply(at Dot, seen past, e *effect) (changed bool)
	// drop removes the atoms that have been seen.
	drop(seen past) (changed bool)
	// merge takes in, and destroys, another node's contents of the same kind.
	merge(other contents, mine, theirs past) (changed bool)
	fold(r ReplicaID)
	appendTo(b []byte) []byte
	parse(r *reader, depth int) // into empty contents
}

// NewValue is the empty value of a kind, which must be one of those of this package.
func NewValue(k Kind) *Value {
	v := &Value{kind: k}
	switch k {
	case KindGCounter, KindPNCounter:
		v.contents = &counter{}
	case KindGSet, KindORSet:
		v.contents = &set{}
	case KindRegister:
		v.contents = &register{}
	case KindFlag:
		v.contents = &flag{}
	case KindORMap:
		v.contents = &orMap{}
	case KindVote:
		v.contents = &vote{}
	}
	return v
}

// Kind is the value's kind.
func (v *Value) Kind() Kind { return v.kind }

// Change changes the value for this node, whose open batch is at; now is the wall
// clock in milliseconds since 1970. What it has done is part of the next effect.
// After an error nothing has changed.
func (v *Value) Change(at Dot, now int64, d *Delta) error {
	if err := check(v, d, 0); err != nil {
		return err
	}
	if err := v.fits(d); err != nil {
		return err
	}
	v.change(at, now, d, false)
	return nil
}

func (v *Value) change(at Dot, now int64, d *Delta, nested bool) (changed bool) {
	changed = v.contents.change(at, now, d, nested)
	v.pending = v.pending || changed
	return changed
}

// Count is Change for counters, and gives the value then.
func (v *Value) Count(at Dot, change int64) (value int64, err error) {
	c, ok := v.contents.(*counter)
	if !ok {
		return 0, ErrKind
	}
	if err := checkCount(v.kind, v.Total(), change); err != nil {
		return 0, err
	}
	if c.add(at, change) {
		v.pending = true
	}
	return v.Total(), nil
}

// Pending reports whether the value has changed since the last AppendEffect.
func (v *Value) Pending() bool { return v.pending }

// AppendEffect appends the effect of all changes since the last one. at is the
// dot that they were made under. The effect of no change makes the value elsewhere.
func (v *Value) AppendEffect(b []byte, at Dot) []byte {
	e := v.effect(at)
	return appendEffect(append(b, version), &e)
}

func (v *Value) effect(at Dot) effect {
	e := effect{kind: v.kind}
	if v.pending {
		v.pending = false
		v.contents.effect(at, &e)
	}
	return e
}

// EffectKind is the kind of value that an effect is for.
func EffectKind(effect []byte) (Kind, error) {
	r := reader{rest: effect}
	r.check(r.byte() == version)
	k := Kind(r.byte())
	r.check(k.known())
	return k, r.err
}

// CheckEffect reports whether Apply of a value of its kind takes an effect.
func CheckEffect(effect []byte) error {
	_, err := parseEffect(effect)
	return err
}

func parseEffect(b []byte) (effect, error) {
	r := reader{rest: b}
	r.check(r.byte() == version)
	e := r.effect(0)
	r.check(len(r.rest) == 0)
	return e, r.err
}

// Apply applies an effect of another replica, whose changes were made under the
// dot at when it had seen what the clock seen has, and its own before at. Its
// errors are ErrKind and ErrMalformed; after one nothing has changed. To apply an
// effect again, or one that the value has in it already, changes nothing once
// those after it are applied again too.
func (v *Value) Apply(at Dot, seen *Clock, effect []byte) (changed bool, err error) {
	e, err := parseEffect(effect)
	if err != nil {
		return false, err
	}
	if e.kind != v.kind {
		return false, ErrKind
	}
	return v.contents.apply(at, &observed{at, seen}, &e), nil
}

// Merge takes in what another node has of the value. mine and theirs are what the
// two nodes have seen, and both must have folded the same replicas. The other value
// must not be used any more. ErrKind: it is of another kind.
func (v *Value) Merge(mine *Clock, other *Value, theirs *Clock) (changed bool, err error) {
	if v.kind != other.kind {
		return false, ErrKind
	}
	return v.contents.merge(other.contents, mine, theirs), nil
}

// Fold moves what a replica has counted to the replica 0, and drops its votes.
// None of its effects may be applied afterwards, not even again; and nobody may
// change anything any more without having seen all of it.
func (v *Value) Fold(r ReplicaID) { v.contents.fold(r) }

// AppendBinary appends the value, with all of its changes, but not which of them
// are pending. Equal values have equal encodings.
func (v *Value) AppendBinary(b []byte) ([]byte, error) {
	return v.contents.appendTo(append(b, version, byte(v.kind))), nil
}

// ParseValue reads what AppendBinary wrote. It keeps nothing of b. ErrMalformed:
// it is not the encoding of a value.
func ParseValue(b []byte) (*Value, error) {
	r := reader{rest: b}
	r.check(r.byte() == version)
	k := Kind(r.byte())
	if !r.check(k.known()) {
		return nil, r.err
	}
	v := NewValue(k)
	v.contents.parse(&r, 0)
	if r.check(len(r.rest) == 0); r.err != nil {
		return nil, r.err
	}
	return v, nil
}
