package crdt

import (
	"cmp"
	"fmt"
)

// read is what f finds in a replica's copy, which is nil if there is none yet.
func read[R any](r Replica, k Kind, f func(v *Value, e Electorate) R) (R, error) {
	var found struct { // together they are one allocation
		result R
		err    error
	}
	err := r.Read(func(v *Value, e Electorate) {
		if found.err = mustBe(v, k); found.err == nil {
			found.result = f(v, e)
		}
	})
	return found.result, cmp.Or(err, found.err)
}

func mustBe(v *Value, k Kind) error {
	if v == nil || v.kind == k {
		return nil
	}
	return fmt.Errorf("%w: it is %v, not %v", ErrKind, v.kind, k)
}

var (
	_ Handle[GCounter]         = GCounter{}
	_ Handle[PNCounter]        = PNCounter{}
	_ Handle[GSet[string]]     = GSet[string]{}
	_ Handle[ORSet[string]]    = ORSet[string]{}
	_ Handle[Register[string]] = Register[string]{}
	_ Handle[Flag]             = Flag{}
	_ Handle[ORMap[string]]    = ORMap[string]{}
	_ Handle[Vote]             = Vote{}
)
