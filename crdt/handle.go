package crdt

import (
	"cmp"
	"fmt"
)

// read calls f with a replica's copy, which is nil if there is none yet.
func read(r Replica, k Kind, f func(v *Value, e Electorate)) error {
	var wrong error
	err := r.Read(func(v *Value, e Electorate) {
		if v != nil && v.kind != k {
			wrong = fmt.Errorf("%w: it is %v, not %v", ErrKind, v.kind, k)
			return
		}
		f(v, e)
	})
	return cmp.Or(err, wrong)
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
