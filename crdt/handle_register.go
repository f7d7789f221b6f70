package crdt

// Register is a Handle of one value of any type: a string, or what encoding/json can
// write and read. The last write wins.
type Register[V any] struct{ replica Replica }

// On is the handle of a replica.
func (Register[V]) On(r Replica) Register[V] { return Register[V]{r} }

// Set writes a value at the time of this node's clock, or right after the write that
// is there.
func (g Register[V]) Set(value V) error { return g.SetBy(DefaultClock, 0, value) }

// SetBy writes a value at the time that a clock gives; custom is for the custom
// clocks. A write whose time is not after that of the one that is there changes
// nothing, and is no error.
func (g Register[V]) SetBy(clock RegisterClock, custom int64, value V) error {
	encoded, err := encode(value)
	if err != nil {
		return err
	}
	return g.replica.Change(&Delta{Kind: KindRegister, Value: encoded, Clock: clock, Custom: custom})
}

// Get is the value, and whether there is one. Fields that V does not have are left out.
func (g Register[V]) Get() (value V, ok bool, err error) {
	winner, err := read(g.replica, KindRegister, func(v *Value, _ Electorate) *string {
		if encoded, ok := v.Winner(); ok {
			return &encoded
		}
		return nil
	})
	if err != nil || winner == nil {
		return value, false, err
	}
	value, err = decode[V](*winner)
	return value, err == nil, err
}

// Flag is a Handle of a switch that can be turned on, once and for all.
type Flag struct{ replica Replica }

// On is the handle of a replica.
func (Flag) On(r Replica) Flag { return Flag{r} }

// Enable turns the flag on.
func (f Flag) Enable() error { return f.replica.Change(&Delta{Kind: KindFlag, Enabled: true}) }

// Enabled reports whether it is on.
func (f Flag) Enabled() (bool, error) {
	return read(f.replica, KindFlag, func(v *Value, _ Electorate) bool { return v.Enabled() })
}
