package driver

import "time"

// DefaultSettle is for how long a new member gets only what no other can have.
const DefaultSettle = 5 * time.Second

// Settings are what the operators of a cluster may change. The zero value works.
type Settings struct {
	// Settle is how long a node is a member before it gets new actors that
	// another node can have, or others by rebalancing. Defaults to
	// DefaultSettle; negative: not at all.
	Settle time.Duration
	// NoRebalance leaves actors where they are, however nodes are loaded.
	NoRebalance bool
}

// SetSettings changes the settings. A new directory has the defaults.
func (d *Directory) SetSettings(s Settings) {
	if s.Settle == 0 {
		s.Settle = DefaultSettle
	}
	d.settings = s
}
