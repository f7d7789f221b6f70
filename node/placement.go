package node

import (
	"os"
	"strings"

	"github.com/mallee-io/mallee/placement"
)

// envPlacement names the addresses of the placement driver's processes,
// host:port, separated by commas.
const envPlacement = "MALLEE_PD"

// defaultPlacement is the placement driver that the environment names, or that
// of a node that is alone.
func defaultPlacement(c *Config) placement.Driver {
	if addrs := os.Getenv(envPlacement); addrs != "" {
		return placement.DialWith(placement.DialConfig{Addrs: strings.Split(addrs, ","), Cluster: c.Cluster, TLS: c.TLS, Log: c.Log})
	}
	return placement.Solo(c.Store)
}
