package crdt

import (
	"encoding/binary"
	"fmt"
)

// What is written here is read by other versions and from stores: each encoding that
// stands alone begins with its version. States are canonical: equal ones have equal
// bytes, and nothing else is read.
const (
	version  = 1
	maxDepth = 32 // of ORMaps in ORMaps
)

func appendUvarint(b []byte, x uint64) []byte { return binary.AppendUvarint(b, x) }
func appendVarint(b []byte, x int64) []byte   { return binary.AppendVarint(b, x) }
func appendMark(b []byte, _ mark) []byte      { return b }

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendStrings(b []byte, all []string) []byte {
	b = appendUvarint(b, uint64(len(all)))
	for _, s := range all {
		b = appendString(b, s)
	}
	return b
}

func appendBool(b []byte, x bool) []byte {
	if x {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendWrite(b []byte, w write) []byte { return appendString(appendVarint(b, w.time), w.value) }

func appendAtoms[P any](b []byte, a atoms[P], payload func([]byte, P) []byte) []byte {
	b = appendUvarint(b, uint64(len(a)))
	for _, x := range a {
		b = appendUvarint(appendUvarint(b, uint64(x.dot.Replica)), x.dot.Seq)
		b = payload(b, x.payload)
	}
	return b
}

// reader consumes an encoding. After an error it reads zeros.
type reader struct {
	rest []byte
	err  error
}

// check fails the reader unless ok.
func (r *reader) check(ok bool) bool {
	if !ok && r.err == nil {
		r.err = fmt.Errorf("%w, %d bytes before its end", ErrMalformed, len(r.rest))
	}
	if r.err != nil {
		r.rest = nil
	}
	return r.err == nil
}

func (r *reader) byte() byte {
	if !r.check(len(r.rest) > 0) {
		return 0
	}
	x := r.rest[0]
	r.rest = r.rest[1:]
	return x
}

func (r *reader) bool() bool {
	x := r.byte()
	r.check(x <= 1)
	return x == 1
}

func (r *reader) mark() mark { return mark{} }

// uvarint takes only the shortest encoding of a number.
func (r *reader) uvarint() uint64 {
	x, n := binary.Uvarint(r.rest)
	if !r.check(n > 0 && (n == 1 || r.rest[n-1] != 0)) {
		return 0
	}
	r.rest = r.rest[n:]
	return x
}

func (r *reader) varint() int64 {
	x := r.uvarint()
	return int64(x>>1) ^ -int64(x&1)
}

// count reads how many things of at least size bytes follow.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if !r.check(n <= uint64(len(r.rest)/size)) {
		return 0
	}
	return int(n)
}

func (r *reader) string() string {
	n := r.count(1)
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

func (r *reader) strings() []string {
	n := r.count(1)
	if n == 0 {
		return nil
	}
	all := make([]string, n)
	for i := range all {
		all[i] = r.string()
	}
	return all
}

// key reads the i-th of ascending keys.
func (r *reader) key(i int, last *string) string {
	s := r.string()
	r.check(i == 0 || s > *last)
	*last = s
	return s
}

func (r *reader) write() write { return write{time: r.varint(), value: r.string()} }

// parseAtoms reads atoms of replicas from lowest on.
func parseAtoms[P any](r *reader, lowest ReplicaID, payload func(*reader) P) atoms[P] {
	n := r.count(2)
	if n == 0 {
		return nil
	}
	a := make(atoms[P], n)
	for i := range a {
		d := Dot{ReplicaID(r.uvarint()), r.uvarint()}
		r.check(d.Replica >= lowest && (d.Seq == 0) == (d.Replica == 0))
		lowest = d.Replica + 1
		r.check(lowest != 0)
		a[i] = atom[P]{payload(r), d}
	}
	return a
}
