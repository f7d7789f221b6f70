//go:build !linux

package chaos

import (
	"errors"
	"net/netip"
)

// KnowsOwners says whether this system tells whose a socket is.
const KnowsOwners = false

// Owner is for systems that tell whose a socket is.
func Owner(netip.AddrPort, []int) (int, error) {
	return 0, errors.New("this system does not tell whose a socket is")
}
