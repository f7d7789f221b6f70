package crdt

// Kind is a type of values. The numbers stand in encodings.
type Kind uint8

// Kinds of values.
const (
	KindGCounter  Kind = iota + 1 // only grows
	KindPNCounter                 // goes up and down
	KindGSet                      // a set that only grows
	KindORSet                     // a set; of an add and a remove at the same time the add wins
	KindRegister                  // the last write wins
	KindFlag                      // can be enabled, and stays so
	KindORMap                     // keys with values of any kind; of an update and a remove at the same time the update wins
	KindVote                      // each replica votes for or against
)

func (k Kind) String() string {
	switch k {
	case KindGCounter:
		return "GCounter"
	case KindPNCounter:
		return "PNCounter"
	case KindGSet:
		return "GSet"
	case KindORSet:
		return "ORSet"
	case KindRegister:
		return "Register"
	case KindFlag:
		return "Flag"
	case KindORMap:
		return "ORMap"
	case KindVote:
		return "Vote"
	}
	return "unknown"
}

func (k Kind) known() bool { return k >= KindGCounter && k <= KindVote }
