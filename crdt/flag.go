package crdt

// flag is enabled by those who have done so. In an ORMap it is disabled when its key
// is removed.
type flag struct{ enabled atoms[mark] }

func (f *flag) empty() bool { return len(f.enabled) == 0 }

// change enables. In an ORMap it does so again, so that it wins over a remove of
// the key at the same time.
func (f *flag) change(at Dot, _ int64, d *Delta, nested bool) bool {
	if !d.Enabled || !nested && !f.empty() {
		return false
	}
	f.enabled.replace(at, mark{})
	return true
}

func (f *flag) effect(at Dot, e *effect) { e.put = f.enabled.has(at) }

func (f *flag) apply(at Dot, seen past, e *effect) bool {
	return e.put && f.enabled.observe(at, mark{}, seen)
}

func (f *flag) drop(seen past) bool { return f.enabled.drop(seen) }

func (f *flag) merge(o contents, mine, theirs past) bool {
	return f.enabled.merge(o.(*flag).enabled, mine, theirs)
}

func (f *flag) fold(ReplicaID) {}

func (f *flag) appendTo(b []byte) []byte { return appendAtoms(b, f.enabled, appendMark) }

func (f *flag) parse(r *reader, _ int) { f.enabled = parseAtoms(r, 1, (*reader).mark) }
