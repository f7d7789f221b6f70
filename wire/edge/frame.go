package edge

import (
	"encoding/binary"
	"fmt"
)

// HeaderSize is the size of the length in front of each frame of a stream.
const HeaderSize = 4

// AppendFrame appends a frame as streams carry it: length, kind, payload.
func AppendFrame(dst []byte, kind Kind, payload []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(1+len(payload)))
	dst = append(dst, byte(kind))
	return append(dst, payload...)
}

// FrameLength is how many bytes follow the header of a frame of a stream: its
// kind and its payload. It is bounded by the largest payload of a data frame
// that the receiver takes, or of a frame without data, so that it can be
// allocated. The error is a *Closed.
func FrameLength(header [HeaderSize]byte, largest int) (int, error) {
	n := binary.BigEndian.Uint32(header[:])
	if n == 0 {
		return 0, &Closed{CodeProtocol, "a frame without a kind"}
	}
	if n > uint32(1+max(largest, MaxControl)) {
		return 0, &Closed{CodeTooLarge, fmt.Sprintf("a frame of %d bytes", n)}
	}
	return int(n), nil
}

// AppendAck appends the payload of KindAck: a count in seven bits to a byte, the
// low ones first, with the high bit set in all bytes but the last.
func AppendAck(dst []byte, received uint64) []byte {
	return binary.AppendUvarint(dst, received)
}

// ParseAck reads the payload of KindAck. The error is a *Closed.
func ParseAck(payload []byte) (received uint64, err error) {
	received, n := binary.Uvarint(payload)
	if n <= 0 || n != len(payload) {
		return 0, &Closed{CodeProtocol, "an acknowledgement that is not one number"}
	}
	return received, nil
}
