package pd

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

// Config says what a process of the placement driver is. The zero value runs
// one that is alone, on the loopback, with its data in the directory
// "mallee-pd".
type Config struct {
	// Name tells processes of one cluster apart; a process keeps it.
	// Defaults to "pd".
	Name string
	// Cluster is a name for the whole cluster; nodes that give another one are
	// refused. Letters, digits, '.', '_' and '-', 64 at most. Defaults to "mallee".
	Cluster string
	// Dir keeps the data of the embedded etcd. It belongs to one process alone.
	// Defaults to "mallee-pd".
	Dir string
	// Listen is the host:port for nodes, tools, Koala hosts and clients of etcd.
	// The embedded etcd needs a port that stays. Defaults to 127.0.0.1:2379.
	Listen string
	// Advertise is the host:port where others reach Listen. Defaults to Listen.
	Advertise string
	// PeerListen is the host:port for the embedded etcds of the other
	// processes. Defaults to 127.0.0.1:2380.
	PeerListen string
	// PeerAdvertise is where they reach it. Defaults to PeerListen.
	PeerAdvertise string
	// InitialCluster names the processes of a new cluster with their peer
	// addresses: "a=10.0.0.1:2380,b=10.0.0.2:2380,…", the same text for each. The
	// addresses may be URLs, as etcd has them: "a=http://10.0.0.1:2380". A process that has data does not look at it. Defaults to this
	// process alone.
	InitialCluster string
	// Join is the client host:port of a process of a running cluster, to which
	// this one is to be added. A process that has data does not look at it.
	Join string
	// Replace lets Join take the place of a process of the same name whose data
	// is lost for good.
	Replace bool
	// Etcd are endpoints of an etcd that is there: none is embedded then, and
	// the fields from PeerListen on and Dir are without meaning.
	Etcd []string
	// TLS is for the client port, between processes, and for Etcd. Defaults to
	// no encryption.
	TLS TLS
	// LeaseTTL is for nodes that ask for no other: how long a dead one keeps its
	// actors. In seconds, at least one; the embedded etcd gives no less than two.
	// Defaults to 5 s.
	LeaseTTL time.Duration
	// Admin is the host:port of health, figures and profiles, best on loopback:
	// there is no authentication. Port 0 is any free one. Defaults to none.
	Admin string
	// Version of the program, for people.
	Version string
	// Log is told what is worth a person's attention. Defaults to nothing.
	Log *slog.Logger
}

// TLS names files of PEM. They are read for each new connection, so that
// certificates are renewed without a restart.
type TLS struct {
	Cert, Key string // of this process, towards clients and servers
	CA        string // who has signed those of others; they must show one
}

func (t TLS) empty() bool { return t == TLS{} }

func (t TLS) scheme() string {
	if t.empty() {
		return "http"
	}
	return "https"
}

const (
	defaultLease = 5 * time.Second
	minLease     = time.Second
	maxLease     = time.Hour
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// complete fills in defaults and refuses what cannot work.
func (c Config) complete() (Config, error) {
	setDefault(&c.Name, "pd")
	setDefault(&c.Cluster, "mallee")
	setDefault(&c.Dir, "mallee-pd")
	setDefault(&c.Listen, "127.0.0.1:2379")
	setDefault(&c.Advertise, c.Listen)
	setDefault(&c.PeerListen, "127.0.0.1:2380")
	setDefault(&c.PeerAdvertise, c.PeerListen)
	setDefault(&c.InitialCluster, c.Name+"="+c.PeerAdvertise)
	if c.LeaseTTL == 0 {
		c.LeaseTTL = defaultLease
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, c.check()
}

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

func (c *Config) check() error {
	for _, name := range []string{c.Name, c.Cluster} {
		if !namePattern.MatchString(name) {
			return fmt.Errorf("the name %q: use at most 64 letters, digits, '.', '_' and '-'", name)
		}
	}
	if c.LeaseTTL < minLease || c.LeaseTTL > maxLease {
		return fmt.Errorf("the lease of %s is not between %s and %s", c.LeaseTTL, minLease, maxLease)
	}
	if t := c.TLS; !t.empty() && (t.Cert == "" || t.Key == "" || t.CA == "") {
		return errors.New("TLS needs a certificate, its key and the authority that signs those of others")
	}
	for _, file := range []string{c.TLS.Cert, c.TLS.Key, c.TLS.CA} {
		if file == "" {
			continue
		}
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
	}
	if err := checkAddress(c.Listen, len(c.Etcd) > 0); err != nil {
		return err
	}
	if err := checkReachable("--advertise", c.Advertise); err != nil {
		return err
	}
	if len(c.Etcd) > 0 {
		return nil
	}
	if err := checkAddress(c.PeerListen, false); err != nil {
		return err
	}
	return checkReachable("--peer-advertise", c.PeerAdvertise)
}

func checkAddress(address string, anyPort bool) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("the address %q: want host:port", address)
	}
	if port == "0" && !anyPort {
		return fmt.Errorf("the address %q: other processes remember the port, so choose one", address)
	}
	return nil
}

// checkReachable refuses an address that means another machine to each reader.
func checkReachable(field, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("the address %q: want host:port", address)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("others cannot reach %q: name an address of this machine with %s", address, field)
	}
	return nil
}

func (c *Config) url(address string) url.URL {
	return url.URL{Scheme: c.TLS.scheme(), Host: address}
}

// ttl is the lease, in etcd's seconds, for a node that asks for some time.
func (c *Config) ttl(asked time.Duration) (int64, error) {
	if asked == 0 {
		asked = c.LeaseTTL
	}
	if asked < minLease || asked > maxLease {
		return 0, fmt.Errorf("a lease of %s is not between %s and %s", asked, minLease, maxLease)
	}
	return int64((asked + time.Second - 1) / time.Second), nil
}

// peers is InitialCluster as etcd reads it. There is a text even with an error,
// for a process that has data.
func (c *Config) peers() (cluster string, err error) {
	var all []string
	here := false
	for part := range strings.SplitSeq(c.InitialCluster, ",") {
		name, address, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !strings.Contains(address, "://") {
			address = c.TLS.scheme() + "://" + address
		}
		if u, parseErr := url.Parse(address); !ok || parseErr != nil || u.Port() == "" {
			err = fmt.Errorf("initial cluster: %q: want name=host:port", part)
		}
		all, here = append(all, name+"="+address), here || name == c.Name
	}
	if err == nil && !here {
		err = fmt.Errorf("initial cluster %q does not name this process, %s", c.InitialCluster, c.Name)
	}
	return strings.Join(all, ","), err
}
