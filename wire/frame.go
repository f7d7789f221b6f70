package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A frame carries one message over a connection, in Koala's format:
//
//	KOLA │ meta length, 4 bytes │ body length, 4 bytes │ meta │ body
//
// Lengths are little-endian. The meta says what the message is; the body is
// opaque to whoever carries it.
const (
	FrameHeader = 12
	frameMagic  = "KOLA"
)

// Bounds of a frame, in bytes. They are checked before anything is allocated.
const (
	MaxFrameMeta = 1 << 20
	MaxFrameBody = 16 << 20
)

// ErrFrame says that what a peer sends is no frame: the connection cannot go on.
var ErrFrame = errors.New("not a frame")

// AppendFrame appends a frame. It fails for a meta or body beyond the bounds.
func AppendFrame(b, meta, body []byte) ([]byte, error) {
	if len(meta) > MaxFrameMeta || len(body) > MaxFrameBody {
		return b, fmt.Errorf("a frame of %d and %d bytes: its meta has at most %d, its body %d", len(meta), len(body), MaxFrameMeta, MaxFrameBody)
	}
	b = append(b, frameMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(meta)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	b = append(b, meta...)
	return append(b, body...), nil
}

// ParseFrameHeader reads as much of a header as there is. It refuses bytes that
// cannot become a frame as soon as they are there; complete is false while
// more are needed to know the lengths.
func ParseFrameHeader(b []byte) (meta, body int, complete bool, err error) {
	n := min(len(b), len(frameMagic))
	if string(b[:n]) != frameMagic[:n] {
		return 0, 0, false, fmt.Errorf("%w: it begins with %q instead of %q", ErrFrame, b[:n], frameMagic)
	}
	if len(b) < FrameHeader {
		return 0, 0, false, nil
	}
	m, n2 := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	if m > MaxFrameMeta || n2 > MaxFrameBody {
		return 0, 0, false, fmt.Errorf("%w: it claims a meta of %d bytes and a body of %d; at most %d and %d are taken", ErrFrame, m, n2, MaxFrameMeta, MaxFrameBody)
	}
	return int(m), int(n2), true, nil
}

// ParseFrame splits a frame off. When b holds only its beginning, complete is
// false. Meta and body stay parts of b.
func ParseFrame(b []byte) (meta, body, rest []byte, complete bool, err error) {
	m, n, complete, err := ParseFrameHeader(b)
	if err != nil || !complete || len(b) < FrameHeader+m+n {
		return nil, nil, b, false, err
	}
	b = b[FrameHeader:]
	return b[:m], b[m : m+n], b[m+n:], true, nil
}
