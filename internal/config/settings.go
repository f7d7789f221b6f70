// Package config reads the settings of a process: from a file, from the
// environment and from flags, the later the stronger. It knows where each
// value came from, and takes nothing that it does not know.
package config

import "time"

// Settings are what every process of a cluster is told by who runs it. What
// each of them means stands in its table.
type Settings struct {
	Cluster     string
	Name        string
	PD          []string
	Listen      string
	Advertise   string
	Admin       string
	Types       []string
	Labels      map[string]string
	Store       string
	CallTimeout time.Duration
	LeaseTTL    time.Duration
	TLS         TLS
	Log         Log
	PDServer    PDServer
}

// TLS names the files that nodes and placement drivers show to each other.
type TLS struct{ Cert, Key, CA string }

// Log says what a process writes of itself.
type Log struct{ Level, Format string }

// PDServer is a placement driver of its own: mallee pd.
type PDServer struct {
	DataDir        string
	Listen         string
	Advertise      string
	Admin          string
	PeerListen     string
	PeerAdvertise  string
	InitialCluster []string
	Join           string
	Etcd           string
}

// table is all that there is to set. Its order is that of the documents.
func (s *Settings) table() []Setting {
	return []Setting{
		{Name: "cluster", Doc: "name that all processes of one cluster have in common; others are refused", value: text(&s.Cluster)},
		{Name: "name", Doc: "what people call this process, in errors, logs and lists", value: text(&s.Name)},
		{Name: "pd", Doc: "client addresses of the placement drivers; without any, the process is a cluster of its own", value: addresses(&s.PD)},
		{Name: "listen", Default: "127.0.0.1:0", Doc: "address for the other nodes; port 0 is any free one", value: address(&s.Listen)},
		{Name: "advertise", Doc: "host, or host:port, at which the other nodes reach this one, where it is not the address it listens on", value: text(&s.Advertise)},
		{Name: "admin", Doc: "address of health, metrics and profiles, best on loopback; none without it", value: address(&s.Admin)},
		{Name: "types", Doc: "the only actor types that this process hosts of those that its program has; all without it", value: list(&s.Types)},
		{Name: "labels", Doc: "what types can ask of the nodes that host them, such as zone=a", value: labels(&s.Labels)},
		{Name: "store", Secret: true, Doc: "URL of the store, such as pebble:DIR or postgres://HOST/DATABASE; in memory without it", value: text(&s.Store)},
		{Name: "call_timeout", Default: "5s", Doc: "ends calls whose caller gave no deadline", value: duration(&s.CallTimeout, time.Millisecond, 24*time.Hour)},
		{Name: "lease_ttl", Default: "5s", Doc: "after which silence a node is taken for dead; the placement drivers decide it", value: duration(&s.LeaseTTL, time.Second, time.Hour)},
		{Name: "tls.cert", Doc: "file with the certificate of this process (PEM), for both roles; plain TCP without it", value: text(&s.TLS.Cert)},
		{Name: "tls.key", Doc: "file with the key of the certificate (PEM)", value: text(&s.TLS.Key)},
		{Name: "tls.ca", Doc: "file with the authorities that sign the certificates of all others (PEM)", value: text(&s.TLS.CA)},
		{Name: "log.level", Default: "info", Doc: "least severe lines that are written", value: choice(&s.Log.Level, "debug", "info", "warn", "error")},
		{Name: "log.format", Default: "text", Doc: "how lines are written", value: choice(&s.Log.Format, "text", "json")},
		{Name: "pd_server.data_dir", Default: "mallee-pd", Doc: "directory of the embedded etcd", value: text(&s.PDServer.DataDir)},
		{Name: "pd_server.listen", Default: "127.0.0.1:2379", Doc: "address for nodes and tools", value: address(&s.PDServer.Listen)},
		{Name: "pd_server.advertise", Doc: "address at which they reach it, where it is another", value: address(&s.PDServer.Advertise)},
		{Name: "pd_server.admin", Doc: "address of health, metrics and profiles, best on loopback; none without it", value: address(&s.PDServer.Admin)},
		{Name: "pd_server.peer_listen", Default: "127.0.0.1:2380", Doc: "address for the other placement drivers", value: address(&s.PDServer.PeerListen)},
		{Name: "pd_server.peer_advertise", Doc: "address at which they reach it, where it is another", value: address(&s.PDServer.PeerAdvertise)},
		{Name: "pd_server.initial_cluster", Doc: "all placement drivers of a new cluster, as NAME=HOST:PORT of their peer addresses", value: list(&s.PDServer.InitialCluster)},
		{Name: "pd_server.join", Doc: "client address of a placement driver whose cluster this one joins", value: address(&s.PDServer.Join)},
		{Name: "pd_server.etcd", Secret: true, Doc: "etcd to use instead of an embedded one, HOST:PORT,…; etcd:// may stand before it", value: text(&s.PDServer.Etcd)},
	}
}
