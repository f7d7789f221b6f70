package koala

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/mallee-io/mallee/wire/pickle"
)

// A body of an RPC is a flag and a pickle. Python compresses what is longer
// than 300 bytes, and forgets the flag when it does not get shorter; but it
// cannot read what is compressed, so it is never written here.
const (
	flagRaw        = '0'
	flagCompressed = '1'
	zstdMagic      = "\x28\xb5\x2f\xfd"
)

// AppendArgs appends the body of an RPCRequest. Named are Python's keyword
// arguments. The values are those of package pickle.
func AppendArgs(b []byte, args pickle.Tuple, named pickle.Dict) ([]byte, error) {
	return AppendResult(b, pickle.Tuple{args, named})
}

// ParseArgs reads the body of an RPCRequest. It executes nothing: what is not
// plain data is an error, which is to be answered as UnknownException.
func ParseArgs(body []byte) (args pickle.Tuple, named pickle.Dict, err error) {
	v, err := parseBody(body)
	if err != nil {
		return nil, nil, err
	}
	pair, _ := v.(pickle.Tuple)
	if len(pair) != 2 {
		return nil, nil, errArgs
	}
	args, isTuple := pair[0].(pickle.Tuple)
	named, isDict := pair[1].(pickle.Dict)
	if !isTuple || !isDict {
		return nil, nil, errArgs
	}
	for _, p := range named {
		if _, ok := p.Key.(string); !ok {
			return nil, nil, errArgs
		}
	}
	return args, named, nil
}

var errArgs = errors.New("the body of a call has to be a tuple of a tuple, for the arguments, and a dict, for those with names")

// AppendResult appends the body of an RPCResponse that is no failure. A method
// without a result gives nil.
func AppendResult(b []byte, v any) ([]byte, error) {
	out, err := pickle.Append(append(b, flagRaw), v)
	if err != nil {
		return b, err
	}
	return out, nil
}

// Result is what a call gave, from the response and its body. It is an *Error
// when the host answered with one, and so is an empty body, whatever the code.
func (m *RPCResponse) Result(body []byte) (any, error) {
	if m.ErrorCode != 0 || len(body) == 0 {
		return nil, &Error{Code: m.ErrorCode, Text: m.ErrorStr}
	}
	return parseBody(body)
}

func parseBody(body []byte) (any, error) {
	switch {
	case len(body) == 0:
		return nil, errors.New("the body of a call is empty")
	case bytes.HasPrefix(body, []byte(zstdMagic)):
		return parseCompressed(body)
	case body[0] == flagCompressed:
		return parseCompressed(body[1:])
	case body[0] == flagRaw:
		return pickle.Parse(body[1:])
	}
	return nil, fmt.Errorf("the body of a call begins with %#02x instead of a flag", body[0])
}

// parseCompressed needs no more memory than the longest pickle, whatever the
// input claims, and starts no goroutines.
func parseCompressed(b []byte) (any, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(pickle.MaxLen), zstd.WithDecoderMaxWindow(pickle.MaxLen))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	raw, err := d.DecodeAll(b, nil)
	if err != nil {
		return nil, fmt.Errorf("the body of a call cannot be decompressed to at most %d bytes: %w", pickle.MaxLen, err)
	}
	return pickle.Parse(raw)
}
