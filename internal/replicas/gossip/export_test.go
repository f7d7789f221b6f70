package gossip

// Slots counts the names that something is kept for.
func (v *Values) Slots() (n int) {
	for range v.slots.all() {
		n++
	}
	return n
}
