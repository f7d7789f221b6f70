package stream

// ring is a queue that takes no memory before its first element and, for a
// while after it was long, none when it is empty again.
type ring[T any] struct {
	slots []T // a power of two, or none
	head  uint32
	count uint32
}

// smallest is how many slots an empty ring may keep, so that a session whose
// messages come one by one does not allocate for each.
const smallest = 4

// perMessage is what a message takes besides its bytes: its slot, its frame and
// the encodings of that. Without it a flood of tiny messages would be free.
const perMessage = 128

func (r *ring[T]) at(i uint32) *T { return &r.slots[(r.head+i)&uint32(len(r.slots)-1)] }

func (r *ring[T]) push(v T) {
	if int(r.count) == len(r.slots) {
		larger := make([]T, max(smallest, 2*len(r.slots)))
		n := copy(larger, r.slots[r.head:])
		copy(larger[n:], r.slots[:r.head])
		r.slots, r.head = larger, 0
	}
	r.count++
	*r.at(r.count - 1) = v
}

func (r *ring[T]) pop() T {
	var zero T
	first := r.at(0)
	v := *first
	*first = zero
	r.head = (r.head + 1) & uint32(len(r.slots)-1)
	r.count--
	if r.count == 0 && len(r.slots) > smallest {
		r.release()
	}
	return v
}

// release gives the memory of an empty ring back.
func (r *ring[T]) release() {
	if r.count == 0 {
		r.slots, r.head = nil, 0
	}
}
