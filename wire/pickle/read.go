package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Parse reads a pickle that ends where b ends. It copies what it keeps. Errors
// name the byte of the instruction that could not be carried out. Memory is
// bounded by a small multiple of b's length.
func Parse(b []byte) (any, error) {
	if len(b) > MaxLen {
		return nil, fmt.Errorf("a pickle of %d bytes: at most %d are read", len(b), MaxLen)
	}
	r := reader{in: b}
	v, err := r.run()
	if err != nil {
		return nil, fmt.Errorf("pickle, byte %d of %d: %w", r.at, len(b), err)
	}
	return v, nil
}

// reader is the machine that a pickle is a program for.
type reader struct {
	in    []byte
	next  int // what is read next
	at    int // where the current instruction begins
	items int

	stack []any // values and containers
	marks []int // heights of the stack
	memo  []any
}

func (r *reader) run() (any, error) {
	for {
		r.at = r.next
		op, err := r.take(1)
		if err != nil {
			return nil, err
		}
		if op[0] == opStop {
			return r.result()
		}
		if err := r.do(op[0]); err != nil {
			return nil, err
		}
	}
}

func (r *reader) result() (any, error) {
	if len(r.stack) != 1 || len(r.marks) != 0 {
		return nil, fmt.Errorf("it ends with %d values and %d marks instead of one value", len(r.stack), len(r.marks))
	}
	if left := len(r.in) - r.next; left != 0 {
		return nil, fmt.Errorf("%d bytes are left over", left)
	}
	if c, ok := r.stack[0].(container); ok {
		return c.value(), nil
	}
	return r.stack[0], nil
}

func (r *reader) do(op byte) error {
	switch op {
	case opProto:
		return r.protocol()
	case opFrame: // groups what follows, for readers of files
		_, err := r.take(8)
		return err
	case opMemoize:
		return r.put(len(r.memo))
	case opBinPut:
		return r.putIndexed(1)
	case opLongBinPut:
		return r.putIndexed(4)
	case opBinGet:
		return r.get(1)
	case opLongBinGet:
		return r.get(4)
	case opMark, opEmptyList, opAppend, opAppends, opEmptyTuple, opTuple1, opTuple2, opTuple3, opTuple, opEmptyDict, opSetItem, opSetItems:
		return r.build(op)
	}
	return r.scalar(op)
}

func (r *reader) scalar(op byte) error {
	switch op {
	case opNone:
		return r.push(nil)
	case opTrue:
		return r.push(true)
	case opFalse:
		return r.push(false)
	case opBinInt1:
		return r.integer(1)
	case opBinInt2:
		return r.integer(2)
	case opBinInt:
		return r.integer(4)
	case opLong1:
		return r.long(1)
	case opLong4:
		return r.long(4)
	case opBinFloat:
		b, err := r.take(8)
		if err != nil {
			return err
		}
		return r.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	case opShortBinUnicode:
		return r.text(1)
	case opBinUnicode:
		return r.text(4)
	case opBinUnicode8:
		return r.text(8)
	case opShortBinBytes:
		return r.bytes(1)
	case opBinBytes:
		return r.bytes(4)
	case opBinBytes8, opByteArray8:
		return r.bytes(8)
	}
	return refuse(op)
}

// take consumes n bytes, where they stand in the input.
func (r *reader) take(n int) ([]byte, error) {
	if left := len(r.in) - r.next; n > left {
		return nil, fmt.Errorf("%d bytes are needed, %d are left", n, left)
	}
	b := r.in[r.next : r.next+n]
	r.next += n
	return b, nil
}

// number consumes an unsigned number of n bytes.
func (r *reader) number(n int) (uint64, error) {
	b, err := r.take(n)
	if err != nil {
		return 0, err
	}
	var whole [8]byte
	copy(whole[:], b)
	return binary.LittleEndian.Uint64(whole[:]), nil
}

// block consumes a length of n bytes and what it announces. (Where Python takes
// the length as signed, a negative one is more than there can be.)
func (r *reader) block(n int) ([]byte, error) {
	length, err := r.number(n)
	if err != nil {
		return nil, err
	}
	if left := len(r.in) - r.next; length > uint64(left) {
		return nil, fmt.Errorf("%d bytes are announced, %d are left", length, left)
	}
	return r.take(int(length))
}

func (r *reader) push(v any) error {
	if r.items++; r.items > MaxItems {
		return fmt.Errorf("the pickle mentions more than %d values", MaxItems)
	}
	r.stack = append(r.stack, v)
	return nil
}

func (r *reader) protocol() error {
	v, err := r.number(1)
	if err == nil && v > maxProtocol {
		err = fmt.Errorf("protocol %d is not known: up to %d are", v, maxProtocol)
	}
	return err
}

func (r *reader) text(n int) error {
	b, err := r.block(n)
	if err != nil {
		return err
	}
	if !isText(b) {
		return errText
	}
	return r.push(string(b))
}

func (r *reader) bytes(n int) error {
	b, err := r.block(n)
	if err != nil {
		return err
	}
	return r.push(append(make([]byte, 0, len(b)), b...))
}

// floor is the height that single values cannot be popped below.
func (r *reader) floor() int {
	if len(r.marks) == 0 {
		return 0
	}
	return r.marks[len(r.marks)-1]
}

var errStack = errors.New("the stack has fewer values than are needed")

func (r *reader) putIndexed(n int) error {
	i, err := r.number(n)
	if err != nil {
		return err
	}
	if i > uint64(len(r.memo)) {
		return fmt.Errorf("memo index %d follows %d: they have to be consecutive", i, len(r.memo))
	}
	return r.put(int(i))
}

func (r *reader) put(i int) error {
	if len(r.stack) <= r.floor() {
		return errStack
	}
	top := r.stack[len(r.stack)-1]
	if i < len(r.memo) {
		r.memo[i] = top
		return nil
	}
	if len(r.memo) == MaxItems {
		return fmt.Errorf("the memo has more than %d values", MaxItems)
	}
	r.memo = append(r.memo, top)
	return nil
}

func (r *reader) get(n int) error {
	i, err := r.number(n)
	if err != nil {
		return err
	}
	if i >= uint64(len(r.memo)) {
		return fmt.Errorf("memo index %d is used before it is set", i)
	}
	return r.push(r.memo[i])
}
