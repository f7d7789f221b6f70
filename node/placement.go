package node

import "github.com/mallee-io/mallee/placement"

// defaultPlacement is the placement driver that the Config names, or that of a
// node that is alone.
func defaultPlacement(c *Config) placement.Driver {
	if len(c.PD) > 0 {
		return placement.DialWith(placement.DialConfig{Addrs: c.PD, Cluster: c.Cluster, TLS: c.TLS, Log: c.Log})
	}
	return placement.Solo(c.Store)
}
