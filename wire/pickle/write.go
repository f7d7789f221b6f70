package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
)

// Append appends the pickle of v, in protocol 5, byte for byte what Python
// writes for the same value when no two parts of it are one object (Python then
// refers to the first; here each is written). A type that is not in the table
// of the package is an error, and so is a key that Python could not hash.
func Append(b []byte, v any) ([]byte, error) {
	w := writer{out: append(b, opProto, maxProtocol), start: len(b), frame: noFrame, framing: true}
	err := w.save(v, 0, false)
	if err == nil {
		w.write(opStop)
		w.closeFrame()
		err = w.fits(0)
	}
	if err != nil {
		return b, fmt.Errorf("pickle: %w", err)
	}
	return w.out, nil
}

// batch is how many items Python puts between two marks.
const batch = 1000

var errNilInt = errors.New("a *big.Int is nil")

// save writes a value; where it is a key, or in one, it must not be a list or dict.
func (w *writer) save(v any, depth int, key bool) error {
	w.boundary()
	if depth++; depth > MaxDepth+1 { // a value that is no container may be one deeper
		return errDepth
	}
	switch v := v.(type) {
	case nil:
		w.write(opNone)
	case bool:
		if v {
			w.write(opTrue)
		} else {
			w.write(opFalse)
		}
	case int64:
		w.integer(v)
	case *big.Int:
		return w.long(v)
	case float64:
		w.write(opBinFloat)
		w.out = binary.BigEndian.AppendUint64(w.out, math.Float64bits(v))
	case string:
		if !isText(v) {
			return errText
		}
		return block(w, v, opShortBinUnicode, opBinUnicode)
	case []byte:
		return block(w, v, opShortBinBytes, opBinBytes)
	case []any:
		return w.list(v, depth, key)
	case Tuple:
		return w.tuple(v, depth, key)
	case Dict:
		return w.dict(v, depth, key)
	default:
		return fmt.Errorf("%T cannot be written: use nil, bool, int64, *big.Int, float64, string, []byte, []any, Tuple or Dict", v)
	}
	return w.fits(0)
}

func (w *writer) integer(v int64) {
	switch {
	case v >= 0 && v <= math.MaxUint8:
		w.write(opBinInt1, byte(v))
	case v >= 0 && v <= math.MaxUint16:
		w.write(opBinInt2, byte(v), byte(v>>8))
	case v >= math.MinInt32 && v <= math.MaxInt32:
		w.write(opBinInt)
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(v))
	default:
		w.digits(big.NewInt(v))
	}
}

func (w *writer) long(v *big.Int) error {
	switch {
	case v == nil:
		return errNilInt
	case v.BitLen() > 8*MaxInt-1:
		return fmt.Errorf("an int of %d bits: at most %d are written", v.BitLen(), 8*MaxInt-1)
	case v.IsInt64():
		w.integer(v.Int64())
	default:
		w.digits(v)
	}
	return w.fits(0)
}

func (w *writer) digits(v *big.Int) {
	b := appendTwos(nil, v)
	if len(b) <= math.MaxUint8 {
		w.write(opLong1, byte(len(b)))
	} else {
		w.write(opLong4)
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(len(b)))
	}
	w.out = append(w.out, b...)
}

// nests checks whether a list or dict may stand where it does.
func nests(depth int, key bool) error {
	if key {
		return errKey
	}
	if depth > MaxDepth {
		return errDepth
	}
	return nil
}

func (w *writer) list(v []any, depth int, key bool) error {
	if err := nests(depth, key); err != nil {
		return err
	}
	w.write(opEmptyList, opMemoize)
	if len(v) == 1 {
		return w.saveAll(v, depth, false, opAppend)
	}
	for len(v) > 0 {
		n := min(len(v), batch)
		w.write(opMark)
		if err := w.saveAll(v[:n], depth, false, opAppends); err != nil {
			return err
		}
		v = v[n:]
	}
	return nil
}

func (w *writer) tuple(v Tuple, depth int, key bool) error {
	if err := nests(depth, false); err != nil { // it may be a key
		return err
	}
	switch len(v) {
	case 0:
		w.write(opEmptyTuple)
		return w.fits(0)
	case 1, 2, 3:
		return w.saveAll(v, depth, key, opTuple1+byte(len(v)-1), opMemoize)
	}
	w.write(opMark)
	return w.saveAll(v, depth, key, opTuple, opMemoize)
}

func (w *writer) saveAll(v []any, depth int, key bool, then ...byte) error {
	for _, item := range v {
		if err := w.save(item, depth, key); err != nil {
			return err
		}
	}
	w.write(then...)
	return nil
}

// dict writes an empty batch after one that is full and last, as Python does.
func (w *writer) dict(v Dict, depth int, key bool) error {
	if err := nests(depth, key); err != nil {
		return err
	}
	w.write(opEmptyDict, opMemoize)
	switch len(v) {
	case 0:
		return w.fits(0)
	case 1:
		return w.pairs(v, depth, opSetItem)
	}
	for {
		n := min(len(v), batch)
		w.write(opMark)
		if err := w.pairs(v[:n], depth, opSetItems); err != nil {
			return err
		}
		if v = v[n:]; n < batch {
			return nil
		}
	}
}

func (w *writer) pairs(v Dict, depth int, then byte) error {
	for _, p := range v {
		if err := w.save(p.Key, depth, true); err != nil {
			return err
		}
		if err := w.save(p.Value, depth, false); err != nil {
			return err
		}
	}
	w.write(then)
	return nil
}
