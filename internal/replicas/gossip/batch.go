package gossip

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/mallee-io/mallee/crdt"
)

// Batch is what one replica has changed between two numbers.
type Batch struct {
	At   crdt.Dot   // whose, and its number
	Seen crdt.Clock // what the replica had seen when it sealed the batch, its own ones before included
	Body []byte     // of each changed value the name and effect, see appendEffect
}

// batchVersion is the first byte of an encoded batch: a later form gets another.
const batchVersion = 1

// maxBody bounds a batch that comes from elsewhere: what gathers before a batch is
// sealed, and one change.
const maxBody = 16 << 20

// AppendBatch appends a batch's encoding.
func AppendBatch(b []byte, x *Batch) []byte {
	b = append(b, batchVersion)
	b = binary.AppendUvarint(b, uint64(x.At.Replica))
	b = binary.AppendUvarint(b, x.At.Seq)
	b = x.Seen.Append(b)
	b = binary.AppendUvarint(b, uint64(len(x.Body)))
	return append(b, x.Body...)
}

// ParseBatch reads what AppendBatch wrote, and returns the bytes after it. Apply can
// apply all that the batch has in it. It keeps nothing of b.
func ParseBatch(b []byte) (x Batch, rest []byte, err error) {
	if len(b) == 0 || b[0] != batchVersion {
		return Batch{}, nil, fmt.Errorf("a batch: %w: its version is not %d", crdt.ErrMalformed, batchVersion)
	}
	replica, b, err := cutNumber(b[1:])
	if err != nil {
		return Batch{}, nil, fmt.Errorf("whose a batch is: %w", err)
	}
	seq, b, err := cutNumber(b)
	if err != nil || replica == 0 || seq == 0 {
		return Batch{}, nil, fmt.Errorf("the number of a batch: %w", crdt.ErrMalformed)
	}
	x.At = crdt.Dot{Replica: crdt.ReplicaID(replica), Seq: seq}
	if x.Seen, b, err = crdt.ParseClock(b); err != nil {
		return Batch{}, nil, fmt.Errorf("what a batch has seen: %w", err)
	}
	body, rest, err := cutBytes(b, maxBody)
	if err != nil {
		return Batch{}, nil, fmt.Errorf("the body of a batch: %w", err)
	}
	if err := checkBody(body); err != nil {
		return Batch{}, nil, fmt.Errorf("the body of a batch: %w", err)
	}
	x.Body = slices.Clone(body)
	return x, rest, nil
}

// checkBody makes sure that all of a body can be applied.
func checkBody(b []byte) error {
	for len(b) > 0 {
		_, effect, rest, err := cutChange(b)
		if err == nil && effect != nil {
			err = crdt.CheckEffect(effect)
		}
		if err != nil {
			return err
		}
		b = rest
	}
	return nil
}

// A body is a list of names and effects, each after its length. An effect's is one
// more than it is; 0 says that the value has been deleted.

func appendEffect(b []byte, name string, effect []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(name)))
	b = append(b, name...)
	b = binary.AppendUvarint(b, uint64(len(effect))+1)
	return append(b, effect...)
}

func appendDeletion(b []byte, name string) []byte {
	b = binary.AppendUvarint(b, uint64(len(name)))
	b = append(b, name...)
	return append(b, 0)
}

// cutChange takes the next name and effect, nil for a deletion, off a body.
func cutChange(b []byte) (name, effect, rest []byte, err error) {
	if name, b, err = cutBytes(b, MaxName); err != nil || len(name) == 0 {
		return nil, nil, nil, crdt.ErrMalformed
	}
	size, b, err := cutNumber(b)
	if err != nil || size == 0 {
		return name, nil, b, err
	}
	if size--; size > uint64(len(b)) {
		return nil, nil, nil, crdt.ErrMalformed
	}
	return name, b[:size:size], b[size:], nil
}

func cutNumber(b []byte) (n uint64, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil, crdt.ErrMalformed
	}
	return n, b[size:], nil
}

func cutBytes(b []byte, most uint64) (cut, rest []byte, err error) {
	n, b, err := cutNumber(b)
	if err != nil || n > most || n > uint64(len(b)) {
		return nil, nil, crdt.ErrMalformed
	}
	return b[:n:n], b[n:], nil
}
