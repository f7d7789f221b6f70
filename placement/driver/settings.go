package driver

import "time"

// Settings are what the operators of a cluster may change. The zero value works.
type Settings struct {
	// Settle is how long a node is a member before it gets new actors that
	// another node can have. Defaults to 5 s; negative: not at all.
	Settle time.Duration
	// NoRebalance leaves actors where they are, however nodes are loaded.
	NoRebalance bool
}

// SetSettings changes the settings. A new directory has the defaults.
func (d *Directory) SetSettings(s Settings) { d.settings = s }

// Advance tells the time by the clock of the placement driver. It does not go
// back.
func (d *Directory) Advance(now time.Time) {
	if now.After(d.now) {
		d.now = now
	}
}
