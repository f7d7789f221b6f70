package node

import (
	"os"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// envPlacement names the addresses of the placement driver, host:port,
// separated by commas.
const envPlacement = "MALLEE_PD"

// defaultPlacement is the placement driver that the environment names, or that
// of a node that is alone.
func defaultPlacement(c *Config) (placement.Driver, error) {
	if addrs := os.Getenv(envPlacement); addrs != "" {
		return nil, mallee.ErrInvalid.Errorf("%s is %q, but this program can reach no placement driver: set Config.Placement", envPlacement, addrs)
	}
	return placement.Solo(c.Store), nil
}
