package transport

import (
	"errors"
	"fmt"
	"io"

	"github.com/mallee-io/mallee/wire"
)

// frames splits what a connection sends. Many small frames come with one read;
// a large one is read into memory of its own.
type frames struct {
	from  io.Reader
	limit int // bytes of a frame; 0: those of package wire
	buf   []byte
	rest  []byte // of buf: read and not split yet
}

// readBuffer is what one read may bring, in bytes.
const readBuffer = 64 << 10

// next returns a frame. It is valid until the next call, except that a body
// which is owned stays the caller's. io.EOF comes between frames alone.
func (f *frames) next() (meta, body []byte, owned bool, err error) {
	for {
		m, n, complete, err := wire.ParseFrameHeader(f.rest)
		if err != nil {
			return nil, nil, false, err
		}
		size := wire.FrameHeader + m + n
		switch {
		case complete && f.limit > 0 && size > f.limit:
			return nil, nil, false, fmt.Errorf("%w: it has %d bytes, and at most %d are taken before a node has said who it is", wire.ErrFrame, size, f.limit)
		case complete && size <= len(f.rest):
			meta, body := f.rest[wire.FrameHeader:][:m], f.rest[wire.FrameHeader+m:][:n]
			f.rest = f.rest[size:]
			return meta, body, false, nil
		case complete && size > readBuffer:
			return f.large(m, n)
		}
		if err := f.more(); err != nil {
			return nil, nil, false, err
		}
	}
}

// first is the byte that the meta of the next frame begins with: it tells a
// Mallee node from a Koala host. 0 stands for an empty meta, too.
func (f *frames) first() (byte, error) {
	for {
		m, _, complete, err := wire.ParseFrameHeader(f.rest)
		switch {
		case err != nil:
			return 0, err
		case complete && m == 0:
			return 0, nil
		case len(f.rest) > wire.FrameHeader:
			return f.rest[wire.FrameHeader], nil
		}
		if err := f.more(); err != nil {
			return 0, err
		}
	}
}

// large reads a frame that the buffer cannot hold.
func (f *frames) large(m, n int) (meta, body []byte, owned bool, err error) {
	frame := make([]byte, m+n)
	have := copy(frame, f.rest[wire.FrameHeader:])
	f.rest = nil
	if _, err := io.ReadFull(f.from, frame[have:]); err != nil {
		return nil, nil, false, cutOff(err)
	}
	return frame[:m:m], frame[m:], true, nil
}

// more reads what there is behind the part of a frame that has been read.
func (f *frames) more() error {
	if f.buf == nil {
		f.buf = make([]byte, readBuffer)
	}
	have := copy(f.buf, f.rest)
	n, err := f.from.Read(f.buf[have:])
	f.rest = f.buf[:have+n]
	switch {
	case n > 0 || err == nil:
		return nil
	case have > 0:
		return cutOff(err)
	}
	return err
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
