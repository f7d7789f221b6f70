package ingress

import (
	"encoding/base64"
	"encoding/binary"
	"io"
	"sync"
)

// An envelope is a message as gRPC and its relatives send it: a byte of flags,
// the length in four bytes, and the message.
const (
	envelopeHead = 5

	flagCompressed = 0x01
	flagEnd        = 0x02 // of Connect: how the call has ended
	flagTrailers   = 0x80 // of gRPC-Web: likewise

	// readAhead is the size in bytes of the buffer that requests are read with:
	// most have their only message in the first read.
	readAhead = 4 << 10
	// maxTrust is how much memory is allocated, in bytes, because of what a client
	// says it will send.
	maxTrust = 64 << 10
)

// envelopes reads messages of a client.
type envelopes struct {
	from    body
	max     int  // bytes of a message
	gzip    bool // the client has said that it may compress
	pool    *gzipPool
	buffers *sync.Pool

	buffer *[]byte // of buffers; nil: nothing is left in it
	ahead  []byte  // what is left
}

// next is the next message and its flags, or io.EOF. The message is a copy of its
// own.
func (e *envelopes) next() (flags byte, message []byte, err error) {
	if err := e.readHead(); err != nil {
		return 0, nil, err
	}
	flags, size := e.ahead[0], binary.BigEndian.Uint32(e.ahead[1:])
	e.ahead = e.ahead[envelopeHead:]
	if uint64(size) > uint64(e.max) {
		return 0, nil, tooLarge(e.max)
	}
	message, err = e.readMessage(int(size))
	if err != nil || flags&flagCompressed == 0 {
		return flags, message, err
	}
	if !e.gzip {
		return 0, nil, malformed("a message is compressed, but the request does not say how")
	}
	message, err = e.pool.inflate(message, e.max)
	return flags &^ flagCompressed, message, err
}

// readHead reads ahead until there is the head of an envelope.
func (e *envelopes) readHead() error {
	if e.buffer == nil {
		e.buffer, _ = e.buffers.Get().(*[]byte)
		e.ahead = (*e.buffer)[:0]
	}
	for len(e.ahead) < envelopeHead {
		if cap(e.ahead) < envelopeHead { // at the buffer's end
			e.ahead = (*e.buffer)[:copy(*e.buffer, e.ahead)]
		}
		n, err := e.from.Read(e.ahead[len(e.ahead):cap(e.ahead)])
		e.ahead = e.ahead[:len(e.ahead)+n]
		if err == nil || len(e.ahead) >= envelopeHead {
			continue
		}
		if err == io.EOF && len(e.ahead) == 0 {
			e.release()
			return io.EOF
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return readError(err)
	}
	return nil
}

func (e *envelopes) readMessage(size int) ([]byte, error) {
	message := make([]byte, min(size, maxTrust))
	have := copy(message, e.ahead)
	if e.ahead = e.ahead[have:]; len(e.ahead) == 0 {
		e.release()
	}
	for have < size {
		if have == len(message) {
			grown := make([]byte, min(size, 2*have))
			copy(grown, message)
			message = grown
		}
		n, err := e.from.Read(message[have:])
		if have += n; err != nil && have < size {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, readError(err)
		}
	}
	return message, nil
}

func (e *envelopes) release() {
	e.buffers.Put(e.buffer)
	e.buffer, e.ahead = nil, nil
}

// envelopeWriter writes answers.
type envelopeWriter struct {
	to   io.Writer
	gzip *gzipPool // nil: the client has not asked for compression
	text bool      // in base64, each envelope padded
	head [envelopeHead]byte
}

func (e *envelopeWriter) write(flags byte, message []byte) (err error) {
	if e.gzip != nil && len(message) >= minGzip {
		if message, err = e.gzip.deflate(message); err != nil {
			return err
		}
		flags |= flagCompressed
	}
	e.head[0] = flags
	binary.BigEndian.PutUint32(e.head[1:], uint32(len(message))) //nolint:gosec // messages are bounded far below
	if e.text {
		whole := append(e.head[:envelopeHead:envelopeHead], message...)
		_, err = e.to.Write(base64.StdEncoding.AppendEncode(nil, whole))
		return err
	}
	if _, err = e.to.Write(e.head[:]); err == nil {
		_, err = e.to.Write(message)
	}
	return err
}
