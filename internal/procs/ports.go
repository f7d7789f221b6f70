package procs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports for processes that are started again and must find theirs free: below
// those that systems give to outgoing connections.
const (
	firstPort = 20_000
	lastPort  = 32_000
)

// FreeAddrs are addresses of the loopback interface, host:port, on which
// nothing listens now.
func FreeAddrs(n int) (addrs []string, err error) {
	var listeners []net.Listener // held, so that none is found twice
	defer func() {
		for _, l := range listeners {
			err = errors.Join(err, l.Close())
		}
	}()
	for range 100 + 10*n {
		if len(addrs) == n {
			return addrs, nil
		}
		addr := fmt.Sprint("127.0.0.1:", firstPort+rand.IntN(lastPort-firstPort))
		if l, err := net.Listen("tcp", addr); err == nil {
			listeners, addrs = append(listeners, l), append(addrs, addr)
		}
	}
	return nil, fmt.Errorf("found only %d of %d free ports between %d and %d", len(addrs), n, firstPort, lastPort)
}
