package pickle

import (
	"encoding/binary"
	"math"
)

// Python groups instructions in frames of about 64 KiB; texts and bytes that
// are as large by themselves stand outside. A frame of less than four bytes is
// not worth its header.
const (
	frameHeader = 9
	frameTarget = 64 << 10
	frameMin    = 4
	noFrame     = -1
)

type writer struct {
	out     []byte
	start   int  // where the pickle begins
	frame   int  // where the open frame begins, or noFrame
	framing bool // whether what is written goes into a frame
}

// write appends instructions, in a frame.
func (w *writer) write(b ...byte) {
	if w.framing && w.frame == noFrame {
		w.frame = len(w.out)
		w.out = append(w.out, make([]byte, frameHeader)...)
	}
	w.out = append(w.out, b...)
}

// boundary ends a frame that is large enough; it is called before each value.
func (w *writer) boundary() {
	if w.frame != noFrame && len(w.out)-w.frame-frameHeader >= frameTarget {
		w.closeFrame()
	}
}

func (w *writer) closeFrame() {
	if w.frame == noFrame {
		return
	}
	content := w.out[w.frame+frameHeader:]
	if len(content) < frameMin {
		w.out = append(w.out[:w.frame], content...)
	} else {
		w.out[w.frame] = opFrame
		binary.LittleEndian.PutUint64(w.out[w.frame+1:], uint64(len(content)))
	}
	w.frame = noFrame
}

// block writes text or bytes, with an opcode for those of up to 255 bytes, or
// the one for all others that are allowed.
func block[T string | []byte](w *writer, v T, short, long byte) error {
	if err := w.fits(len(v)); err != nil {
		return err
	}
	if len(v) >= frameTarget {
		w.closeFrame()
		w.framing = false
	}
	if len(v) <= math.MaxUint8 {
		w.write(short, byte(len(v)))
	} else {
		w.write(long)
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(len(v)))
	}
	w.out = append(w.out, v...)
	w.framing = true
	w.write(opMemoize)
	return nil
}

// fits checks that there is room for n bytes more.
func (w *writer) fits(n int) error {
	if len(w.out)-w.start+n > MaxWritten {
		return errCost
	}
	return nil
}
