// Package pickle reads and writes the plain data of Python's pickles: None,
// bool, int, float, str, bytes, list, tuple and dict. A pickle is a program;
// this package knows only the instructions that build such data, and refuses
// every other: nothing is imported, called or executed.
//
// The values in Go:
//
//	nil                None
//	bool               True and False
//	int64, *big.Int    int: the second is for what does not fit the first
//	float64            float
//	string             str
//	[]byte             bytes, and bytearray when it is read
//	[]any              list
//	Tuple              tuple
//	Dict               dict
//
// A str may contain lone surrogates, which UTF-8 cannot express: they stand in
// the string as three bytes each (ED A0 80 to ED BF BF), and are written back
// as they were. Values that a pickle shares are shared by the result: whoever
// changes one sees it changed in all places.
//
// Both directions are pure functions, safe for concurrent use.
package pickle

// Bounds of both directions.
const (
	// MaxLen is how many bytes a pickle to be read may have.
	MaxLen = 16 << 20
	// MaxWritten is how many bytes a pickle may have that is written. What a
	// pickle mentions again and again is written out each time; one that would
	// then exceed this is not read.
	MaxWritten = 64 << 20
	// MaxItems is how many values a pickle may mention.
	MaxItems = 1 << 20
	// MaxDepth is how deep lists, tuples and dicts may nest in each other.
	MaxDepth = 1000
	// MaxInt is how many bytes an int may have.
	MaxInt = 64 << 10
)

// Tuple is Python's tuple.
type Tuple []any

// Dict is Python's dict, in its order. A Go map could not hold all keys: bytes,
// tuples and large ints are keys in Python. Keys may be anything but a list, a
// dict, or a tuple with one of these in it.
type Dict []Pair

// Pair is an entry of a Dict.
type Pair struct{ Key, Value any }

// Get finds the value of a key that is a str. When a pickle sets a key more
// than once, the last value counts, as in Python.
func (d Dict) Get(key string) (value any, ok bool) {
	for i := len(d) - 1; i >= 0; i-- {
		if s, isText := d[i].Key.(string); isText && s == key {
			return d[i].Value, true
		}
	}
	return nil, false
}
