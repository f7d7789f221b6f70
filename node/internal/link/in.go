package link

// In is the receiver's end. The zero In has taken nothing.
type In struct {
	taken uint64 // the number up to which all is taken
	told  uint64 // of that, what the sender knows
	bytes int    // taken and not told
	again bool   // the sender does not know what it was told
}

// Verdict about what has come.
type Verdict uint8

// Verdicts.
const (
	Take  Verdict = iota // it is the next
	Again                // it was taken before
	Early                // it is not its turn, and it will come again
)

// What is taken is acknowledged at once, and not a moment later, when it is so
// much.
const (
	ackOrders = 512
	ackBytes  = 1 << 20
)

// Judge decides about an entry, and takes note of it.
func (in *In) Judge(number, gap uint64, bytes int) Verdict {
	switch {
	case number <= in.taken:
		in.again = true
		return Again
	case gap == 0 && number != in.taken+1, gap > in.taken+1:
		return Early
	}
	in.taken = number
	in.bytes += bytes
	return Take
}

// Full reports whether an acknowledgement should not wait.
func (in *In) Full() bool { return in.taken-in.told >= ackOrders || in.bytes >= ackBytes }

// Ack is the number up to which all is taken, and whether the sender has to be
// told.
func (in *In) Ack() (number uint64, due bool) {
	return in.taken, in.taken > in.told || in.again
}

// Acked says that an acknowledgement is on its way.
func (in *In) Acked() { in.told, in.bytes, in.again = in.taken, 0, false }
