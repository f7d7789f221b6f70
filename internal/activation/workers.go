package activation

// workers are the activations of one key of a stateless worker type.
// Guarded by the shard's mu.
type workers struct{ list []*Activation }

// worker picks an idle activation of the key, or makes one more while there
// may be, or takes the one with the shortest mailbox.
func (s *shard) worker(tb *Table, key string) (a *Activation, created bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.workers[key]
	if w == nil {
		w = &workers{}
		s.workers[key] = w
	}
	least := -1
	for _, candidate := range w.list {
		load := candidate.load()
		if load == 0 {
			return candidate, false
		}
		if least < 0 || load < least {
			a, least = candidate, load
		}
	}
	if len(w.list) >= tb.typ.Workers {
		return a, false
	}
	a = newActivation(tb, key, 0)
	a.peers = w
	w.list = append(w.list, a)
	tb.runtime.added(a)
	return a, true
}

func (s *shard) dropWorker(a *Activation) {
	list := a.peers.list
	for i := range list {
		if list[i] == a {
			last := len(list) - 1
			list[i], list[last] = list[last], nil
			a.peers.list = list[:last]
			break
		}
	}
	if len(a.peers.list) == 0 {
		delete(s.workers, a.key)
	}
}

// load is how many turns wait or run.
func (a *Activation) load() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mailbox.n + a.active.n
}
