package node

import (
	"strings"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// defaultPlacement is the placement driver that the Config names, or that of a
// node that is alone.
func defaultPlacement(c *Config) (placement.Driver, error) {
	if len(c.PD) > 0 {
		return nil, mallee.ErrInvalid.Errorf("this program can reach no placement driver, and is to join that of %s: set Config.Placement", strings.Join(c.PD, ","))
	}
	return placement.Solo(c.Store), nil
}
