package node

import (
	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

// place finds the placement driver, and the store where the Config has none.
func (c *Config) place() error {
	if c.Placement == nil && len(c.PD) > 0 {
		c.Placement = placement.DialWith(placement.DialConfig{Addrs: c.PD, Cluster: c.Cluster, TLS: c.TLS, Log: c.Log})
	}
	if c.Store == nil {
		if c.Placement != nil && !alone(c.Placement) && len(c.Types) > 0 {
			return mallee.ErrInvalid.Errorf("actors that move between nodes would lose their states: set Config.Store to one that all nodes share, " +
				"such as storage/etcd on the placement driver's own etcd, or storage/postgres")
		}
		c.Store = storage.Memory()
	}
	if c.Placement == nil {
		c.Placement = placement.Solo(c.Store)
	}
	return nil
}

// alone reports whether a node of the driver is the only one.
func alone(d placement.Driver) bool {
	a, ok := d.(interface{ Alone() bool })
	return ok && a.Alone()
}
