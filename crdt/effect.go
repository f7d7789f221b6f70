package crdt

// effect is what a batch has done to a value. What it removes has no dots: it is what
// the batch had seen of it. What it puts there has the batch's dot.
type effect struct {
	kind    Kind
	put     bool   // number, value and yes are new
	number  int64  // total of a counter, time of a Register
	value   string // of a Register
	yes     bool   // of a Vote
	cleared bool   // of sets and ORMaps, before removed, before added or entries
	removed []string
	added   []string
	entries []entryEffect
}

type entryEffect struct {
	key    string
	effect effect
}

// Bits of an effect's second byte.
const (
	effectPuts   = 1
	effectClears = 2
)

func appendEffect(b []byte, e *effect) []byte {
	var bits byte
	if e.put {
		bits |= effectPuts
	}
	if e.cleared {
		bits |= effectClears
	}
	b = append(b, byte(e.kind), bits)
	if e.put {
		switch e.kind {
		case KindGCounter, KindPNCounter:
			b = appendVarint(b, e.number)
		case KindRegister:
			b = appendWrite(b, write{e.number, e.value})
		case KindVote:
			b = appendBool(b, e.yes)
		}
	}
	switch e.kind {
	case KindGSet, KindORSet:
		b = appendStrings(appendStrings(b, e.removed), e.added)
	case KindORMap:
		b = appendUvarint(appendStrings(b, e.removed), uint64(len(e.entries)))
		for i := range e.entries {
			b = appendEffect(appendString(b, e.entries[i].key), &e.entries[i].effect)
		}
	}
	return b
}

func (r *reader) effect(depth int) (e effect) {
	e.kind = Kind(r.byte())
	bits := r.byte()
	r.check(e.kind.known() && bits <= effectPuts|effectClears && depth <= maxDepth)
	e.put, e.cleared = bits&effectPuts != 0, bits&effectClears != 0
	if e.put {
		switch e.kind {
		case KindGCounter, KindPNCounter:
			e.number = r.varint()
		case KindRegister:
			w := r.write()
			e.number, e.value = w.time, w.value
		case KindVote:
			e.yes = r.bool()
		}
	}
	switch e.kind {
	case KindGSet, KindORSet:
		e.removed, e.added = r.strings(), r.strings()
	case KindORMap:
		e.removed = r.strings()
		n := r.count(3)
		for range n {
			if r.err == nil {
				e.entries = append(e.entries, entryEffect{r.string(), r.effect(depth + 1)})
			}
		}
	}
	return e
}

// size is at least what the effect adds to a value's encoding.
func (e *effect) size() int {
	n := atomSize + len(e.value)
	for _, x := range e.added {
		n += len(x) + atomSize
	}
	for i := range e.entries {
		n += len(e.entries[i].key) + e.entries[i].effect.size()
	}
	return n
}
