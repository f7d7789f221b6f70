package replicated

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mallee-io/mallee/crdt"
)

// mirror is what the user function has of a replica. As long as it alone changes
// that, the two are the same, and nothing is compared: the replica's revision tells.
// But a write of a register may have lost against what was there, and votes count
// among members: those are looked at after each change, and what is beside them in a
// map is not.
type mirror struct {
	replica  crdt.Replica
	view     *crdt.View
	revision uint32              // of the replica when all was compared, and the user function's own changes
	doubts   map[string]struct{} // keys of a map that are to be compared
	doubtful bool                // all is
	quiet    time.Time           // when all may be compared again
}

// load reads the replica. The view of no value is of no kind.
func (m *mirror) load() (err error) {
	m.doubts, m.doubtful = make(map[string]struct{}), false
	m.revision = m.replica.Revision() // first: what comes between them is compared once more
	m.view, err = m.read(func(v *crdt.Value, e crdt.Electorate) *crdt.View { return v.View(e) })
	return err
}

func (m *mirror) read(view func(*crdt.Value, crdt.Electorate) *crdt.View) (*crdt.View, error) {
	w := &crdt.View{}
	err := m.replica.Read(func(v *crdt.Value, e crdt.Electorate) {
		if v != nil {
			w = view(v, e)
		}
	})
	return w, err
}

// change changes what the user function has, and then the replica.
func (m *mirror) change(d *crdt.Delta) error {
	if err := m.view.Apply(d); err != nil {
		return fmt.Errorf("the user function has sent a change that is not possible: %w", err)
	}
	if err := m.replica.Change(d); err != nil {
		return err
	}
	m.revision++
	m.doubt(d)
	return nil
}

// doubt notes what is to be compared after a change.
func (m *mirror) doubt(d *crdt.Delta) {
	if d.Kind != crdt.KindORMap {
		m.doubtful = m.doubtful || isDoubtful(d)
		return
	}
	for _, e := range slices.Concat(d.Updated, d.Inserted) {
		if isDoubtful(e.Delta) {
			m.doubts[e.Key] = struct{}{}
		}
	}
}

// isDoubtful reports whether what comes of a change is more than its user can know.
func isDoubtful(d *crdt.Delta) bool {
	switch d.Kind {
	case crdt.KindRegister, crdt.KindVote:
		return true
	case crdt.KindORMap:
		under := func(e crdt.Entry) bool { return isDoubtful(e.Delta) }
		return slices.ContainsFunc(d.Updated, under) || slices.ContainsFunc(d.Inserted, under)
	}
	return false
}

// behind reports whether the replica may have something else.
func (m *mirror) behind() bool {
	return m.doubtful || len(m.doubts) > 0 || m.revision != m.replica.Revision()
}

// follow takes over what the replica has when the mirror is behind, and gives what the
// user function is to be told of it, or nil.
func (m *mirror) follow(now time.Time) (*crdt.Delta, error) {
	if !m.doubtful && len(m.doubts) > 0 && m.revision == m.replica.Revision() {
		from, to, err := m.doubted()
		if err == nil && m.revision == m.replica.Revision() { // still: only these may differ
			return m.accept(from, to)
		}
	}
	if now.Before(m.quiet) {
		return nil, nil
	}
	from := m.view
	if err := m.load(); err != nil {
		return nil, err
	}
	m.quiet = now.Add(pause(m.view))
	return crdt.Diff(from, m.view)
}

// doubted are the two sides of the keys that are to be compared.
func (m *mirror) doubted() (from, to *crdt.View, err error) {
	from = &crdt.View{Kind: crdt.KindORMap, Entries: make(map[string]*crdt.View, len(m.doubts))}
	for key := range m.doubts {
		if w := m.view.Entries[key]; w != nil {
			from.Entries[key] = w
		}
	}
	to, err = m.read(func(v *crdt.Value, e crdt.Electorate) *crdt.View {
		w := &crdt.View{Kind: v.Kind(), Entries: make(map[string]*crdt.View, len(m.doubts))}
		for key := range m.doubts {
			if under := v.At(key); under != nil {
				w.Entries[key] = under.View(e)
			}
		}
		return w
	})
	return from, to, err
}

// accept takes over keys of a map.
func (m *mirror) accept(from, to *crdt.View) (*crdt.Delta, error) {
	maps.Copy(m.view.Entries, to.Entries)
	clear(m.doubts)
	return crdt.Diff(from, to)
}

// pause is how long what others change is gathered after a comparison of so much,
// which takes a fraction of that: a millisecond for each thousand of elements.
func pause(v *crdt.View) time.Duration {
	return time.Duration(weight(v)/1000) * time.Millisecond
}

func weight(v *crdt.View) int {
	n := 1 + len(v.Elements)
	for _, under := range v.Entries {
		n += weight(under)
	}
	return n
}
