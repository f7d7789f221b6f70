package crdt

// GCounter is a Handle of a counter that only grows.
type GCounter struct{ replica Replica }

// On is the handle of a replica.
func (GCounter) On(r Replica) GCounter { return GCounter{r} }

// Add counts n more, and gives the sum as this node knows it then. A negative n,
// and a sum of 2^63 or more, is an ErrIllegal.
func (c GCounter) Add(n int64) (int64, error) { return c.replica.Count(KindGCounter, n) }

// Value is the sum, as this node knows it.
func (c GCounter) Value() (int64, error) { return count(c.replica, KindGCounter) }

// PNCounter is a Handle of a counter that goes up and down.
type PNCounter struct{ replica Replica }

// On is the handle of a replica.
func (PNCounter) On(r Replica) PNCounter { return PNCounter{r} }

// Add counts n more, or less, and gives the sum as this node knows it then.
func (c PNCounter) Add(n int64) (int64, error) { return c.replica.Count(KindPNCounter, n) }

// Value is the sum, as this node knows it.
func (c PNCounter) Value() (int64, error) { return count(c.replica, KindPNCounter) }

// totaler is a Replica that reads counters without the allocations of Read.
type totaler interface {
	Total(k Kind) (int64, error)
}

func count(r Replica, k Kind) (int64, error) {
	if t, ok := r.(totaler); ok {
		return t.Total(k)
	}
	return read(r, k, func(v *Value, _ Electorate) int64 { return v.Total() })
}
