package edge

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// Violation is a frame or payload after which a receiver ends the connection.
type Violation struct {
	Code   Code
	Reason string
}

func (v *Violation) Error() string { return v.Reason }

func violation(code Code, format string, args ...any) error {
	return &Violation{Code: code, Reason: fmt.Sprintf(format, args...)}
}

// HeaderSize is what stands in front of a payload on a stream: the length and
// the kind.
const HeaderSize = 5

// AppendFrame appends a frame as it goes over a stream.
func AppendFrame(b []byte, kind Kind, payload []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(1+len(payload)))
	b = append(b, byte(kind))
	return append(b, payload...)
}

// ParseHeader reads the header of a frame on a stream and returns the size of
// the payload that follows, which is bounded: that of a data frame by largest.
// The error is a *Violation.
func ParseHeader(header [HeaderSize]byte, largest int) (Kind, int, error) {
	n := binary.BigEndian.Uint32(header[:])
	if n == 0 {
		return 0, 0, violation(CodeProtocol, "a frame without a kind")
	}
	kind, size := Kind(header[4]), int64(n)-1
	return kind, int(min(size, 1<<30)), check(kind, size, largest)
}

// ParseMessage splits a message of a WebSocket that carries frames. The payload
// stays a part of it. The error is a *Violation.
func ParseMessage(message []byte, largest int) (Kind, []byte, error) {
	if len(message) == 0 {
		return 0, nil, violation(CodeProtocol, "a frame without a kind")
	}
	kind, payload := Kind(message[0]), message[1:]
	return kind, payload, check(kind, int64(len(payload)), largest)
}

// check says whether a frame of the kind may have a payload of so many bytes.
func check(kind Kind, size int64, largest int) error {
	if kind < KindLogin || kind > KindClose {
		return violation(CodeProtocol, "a frame of the unknown kind %d", kind)
	}
	if most := kind.Largest(largest); size > int64(most) {
		return violation(CodeTooLarge, "%d bytes in a frame of kind %d, which has at most %d", size, kind, most)
	}
	return nil
}

// Largest is how many bytes a payload of the kind has at most, where one of a
// data frame has at most largest.
func (k Kind) Largest(largest int) int {
	switch k {
	case KindText, KindBinary:
		return largest
	case KindLogin:
		return MaxLogin
	case KindPing, KindPong:
		return MaxPing
	case KindAck:
		return binary.MaxVarintLen64
	}
	return MaxControl
}

// FromClient reports whether clients send frames of the kind.
func (k Kind) FromClient() bool {
	switch k {
	case KindLogin, KindText, KindBinary, KindAck, KindPing, KindPong, KindClose:
		return true
	}
	return false
}

// CheckText is a *Violation where the payload of a KindText is not UTF-8.
func CheckText(payload []byte) error {
	if !utf8.Valid(payload) {
		return violation(CodeText, "text that is not UTF-8")
	}
	return nil
}

// AppendAck appends the payload of a KindAck.
func AppendAck(b []byte, received uint64) []byte { return binary.AppendUvarint(b, received) }

// ParseAck reads the payload of a KindAck. The error is a *Violation.
func ParseAck(payload []byte) (received uint64, err error) {
	received, n := binary.Uvarint(payload)
	if n <= 0 || n != len(payload) {
		return 0, violation(CodeProtocol, "an ack that is not one number")
	}
	return received, nil
}
