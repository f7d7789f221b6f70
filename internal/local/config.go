// Package local runs a whole cluster on this machine: placement drivers, nodes
// and gateways, each a process of this very program on the loopback interface.
package local

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mallee-io/mallee/internal/config"
)

// Config says what cluster to run.
type Config struct {
	// Dir keeps the data of the placement drivers and the logs of all processes.
	Dir string
	// PDs and Nodes are how many processes there are of each.
	PDs, Nodes int
	// Gateways are as many of those, where everybody is let in by a name, which is
	// the key of an actor of the type Actor. Defaults to none.
	Gateways int
	Actor    string
	// DrainSpread is the time in which clients leave a gateway that is stopped.
	// Defaults to that of mallee gateway.
	DrainSpread time.Duration
	// Lease is how long a node that has gone silent keeps its actors.
	Lease time.Duration
	// Store is the URL of the store that the nodes share. Defaults to the etcd of
	// the placement drivers.
	Store string
	// Types names the actor types that the nodes host, as mallee local-node does.
	Types string
	// NodeArgs are further arguments of one life of a node. Defaults to none.
	NodeArgs func(life string) []string
	// Front gives the address by which a process is reached instead of the one
	// on which it listens. It is asked once for each port, and for the store with
	// StoreName where that is the etcd of the placement drivers. Defaults to that
	// on which it listens. Ports for clients are those of a process of their own,
	// with the name that ClientsOf gives.
	Front func(process, listen string) (addr string, err error)
	// Exited hears of each life that has ended; asked says whether the cluster
	// has ended it. It must not block. Defaults to nobody.
	Exited func(life string, asked bool, err error)
}

// PDName is the name of the placement driver with a number, from 1.
func PDName(n int) string { return fmt.Sprint("pd", n) }

// NodeName is the name of the node with a number, from 1.
func NodeName(n int) string { return fmt.Sprint("node", n) }

// GatewayName is the name of the gateway with a number, from 1.
func GatewayName(n int) string { return fmt.Sprint("gateway", n) }

// ClientsOf names the clients of a gateway.
func ClientsOf(gateway string) string { return gateway + "-clients" }

// LifeName is the name of one life of a process, from 1.
func LifeName(process string, life int) string { return fmt.Sprint(process, ".", life) }

const (
	// Name is that of the cluster.
	Name = "local"
	// StoreName is that of the store, which is no process of the cluster.
	StoreName = "store"
	// Ready is what nodes print when they can be used.
	Ready = "ready"
)

// seat is what a process keeps from one life to the next.
type seat struct {
	name                      string
	listen, advertise         string
	peerListen, peerAdvertise string // of a placement driver
	store                     string // its etcd, for nodes
	admin, clients            string // of a gateway
	advertiseClients          string
}

// pdArgs are the arguments of a placement driver.
func (c *Cluster) pdArgs(s *seat) []string {
	peers := make([]string, len(c.pds))
	for i, pd := range c.pds {
		peers[i] = pd.name + "=http://" + pd.peerAdvertise
	}
	return []string{
		"pd", "--config", os.DevNull, "--name", s.name, "--cluster", Name, "--data-dir", filepath.Join(c.config.Dir, s.name),
		"--listen", s.listen, "--advertise", s.advertise, "--peer-listen", s.peerListen, "--peer-advertise", s.peerAdvertise,
		"--initial-cluster", strings.Join(peers, ","), "--lease-ttl", c.config.Lease.String(),
	}
}

// noSettings empties the variables that are settings: those of this process
// mean a cluster of others.
func noSettings() (environ []string) {
	for _, s := range config.All() {
		environ = append(environ, s.Env()+"=")
	}
	return environ
}

// nodeArgs are the arguments of one life of a node.
func (c *Cluster) nodeArgs(s *seat, life string) []string {
	args := []string{
		"local-node", "--name", s.name, "--listen", s.listen, "--advertise", s.advertise,
		"--pd", strings.Join(c.PDAddrs(), ","), "--store", c.Store(), "--types", c.config.Types,
	}
	if c.config.NodeArgs != nil {
		args = append(args, c.config.NodeArgs(life)...)
	}
	return args
}

// gatewayArgs are the arguments of a gateway.
func (c *Cluster) gatewayArgs(s *seat) []string {
	args := []string{
		"gateway", "--config", os.DevNull, "--name", s.name, "--cluster", Name, "--pd", strings.Join(c.PDAddrs(), ","),
		"--listen", s.listen, "--advertise", s.advertise, "--admin", s.admin, "--websocket", s.clients,
		"--login", "open", "--actor", c.config.Actor, "--secret-file", c.secretFile(),
	}
	if c.config.DrainSpread > 0 {
		args = append(args, "--drain-spread", c.config.DrainSpread.String())
	}
	return args
}

// secretFile is what all gateways seal tokens with.
func (c *Cluster) secretFile() string { return filepath.Join(c.config.Dir, "secret") }

// writeSecret makes a secret that nobody else knows.
func (c *Cluster) writeSecret() error {
	return os.WriteFile(c.secretFile(), []byte(rand.Text()), 0o600)
}

// GatewayURLs are where clients connect to, in the order of the gateways.
func (c *Cluster) GatewayURLs() (urls []string) {
	for _, g := range c.gateways {
		urls = append(urls, "ws://"+g.advertiseClients+"/connect")
	}
	return urls
}

// PDAddrs are the addresses of the placement drivers, host:port.
func (c *Cluster) PDAddrs() (addrs []string) {
	for _, pd := range c.pds {
		addrs = append(addrs, pd.advertise)
	}
	return addrs
}

// Store is the URL of the store of the nodes. The etcd of the placement drivers
// has a Front of its own: so a node that is cut off from the placement drivers
// can try to write, as with any other store.
func (c *Cluster) Store() string {
	if c.config.Store != "" {
		return c.config.Store
	}
	var addrs []string
	for _, pd := range c.pds {
		addrs = append(addrs, pd.store)
	}
	return "etcd://" + strings.Join(addrs, ",")
}
