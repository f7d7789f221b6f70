package crdt

// View is what a user knows of a value: its contents at one time, without regard
// of how they came about.
type View struct {
	Kind     Kind
	Count    int64               // of counters; a GCounter's is never negative
	Elements map[string]struct{} // of sets
	Entries  map[string]*View    // of an ORMap
	Value    string              // of a Register
	Enabled  bool                // of a Flag
	Self     bool                // of a Vote, as in Delta
	For      int
	Voters   int
}

// View copies the value's contents.
func (v *Value) View(e Electorate) *View { panic("not yet") }

// Apply makes of the view what it is after a change of its user. It fails as
// Value.Change does, and then changes nothing. A nil view is none yet.
func (w *View) Apply(d *Delta) error { panic("not yet") }

// Diff is what leads from one view to another; from may be nil: there was none
// yet. It is nil when nothing differs, and an ErrKind or ErrIllegal where no delta
// can lead there.
func Diff(from, to *View) (*Delta, error) { panic("not yet") }
