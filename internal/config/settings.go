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
	Gateway     Gateway
	Sidecar     Sidecar
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

// Gateway is a gateway of its own: mallee gateway.
type Gateway struct {
	WebSocket, Path         string
	TCP, TLS, QUIC          string
	Cert, Key               string
	Origins                 []string
	Login                   string
	Actor                   string
	Accounts                string
	KoalaKeyFile            string
	QuickConnect            []string
	LoginWindow             time.Duration
	JWKS, JWTKeyFile        string
	JWTIssuer               string
	JWTAudience             []string
	Alone                   string
	SecretFile              string
	ResumeWindow            time.Duration
	DrainSpread             time.Duration
	MaxMessage              int64
	Messages, MessageBurst  int64
	Bytes, ByteBurst        int64
	Connections, PerAddress int64
	Slow                    string
	Memory                  int64
}

// Sidecar is a sidecar of a user function: mallee sidecar.
type Sidecar struct {
	Function            string
	HTTP                string
	Management, Metrics string
	Broker              string
	Strict              string
	RelayTimeout        time.Duration
	Passivation         time.Duration
	MaxStreams          int64
	MaxMessage          int64
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
		{Name: "gateway.websocket", Default: "127.0.0.1:8090", Doc: "address for WebSockets, which are encrypted where there is a certificate", value: address(&s.Gateway.WebSocket)},
		{Name: "gateway.path", Default: "/connect", Doc: "path of WebSockets; WebTransport has any", value: text(&s.Gateway.Path)},
		{Name: "gateway.tcp", Doc: "address for frames on plain TCP; none without it", value: address(&s.Gateway.TCP)},
		{Name: "gateway.tls", Doc: "address for frames on TLS; none without it", value: address(&s.Gateway.TLS)},
		{Name: "gateway.quic", Doc: "address for QUIC and WebTransport (UDP); none without it", value: address(&s.Gateway.QUIC)},
		{Name: "gateway.cert", Doc: "file with the certificate that clients see (PEM)", value: text(&s.Gateway.Cert)},
		{Name: "gateway.key", Doc: "file with its key (PEM)", value: text(&s.Gateway.Key)},
		{Name: "gateway.origins", Doc: "hosts whose pages may connect, such as *.example.com; those of the gateway's own host always may", value: list(&s.Gateway.Origins)},
		{Name: "gateway.login", Doc: "who decides on logins: koala (a checksum), jwt (a signed token), accounts (an actor), or open: everybody is let in", value: choice(&s.Gateway.Login, "koala", "jwt", "accounts", "open")},
		{Name: "gateway.actor", Doc: "with jwt and open: actor type that clients are bound to, by the name of the user; with jwt also TYPE/KEY, where {CLAIM} stands for a claim", value: text(&s.Gateway.Actor)},
		{Name: "gateway.accounts", Doc: "with accounts and koala: actor type that answers for accounts", value: text(&s.Gateway.Accounts)},
		{Name: "gateway.koala_key_file", Doc: "with koala: file with the private key of the checksums", value: text(&s.Gateway.KoalaKeyFile)},
		{Name: "gateway.quick_connect", Doc: "with koala: actor types of which a client may name an actor itself; * is all", value: list(&s.Gateway.QuickConnect)},
		{Name: "gateway.login_window", Default: "0s", Doc: "with koala: how far the timestamp of a login may be from now; 0: it is not looked at", value: duration(&s.Gateway.LoginWindow, 0, 24*time.Hour)},
		{Name: "gateway.jwks", Doc: "with jwt: URL of the public keys that sign tokens", value: text(&s.Gateway.JWKS)},
		{Name: "gateway.jwt_key_file", Doc: "with jwt: file with the key that signs tokens, where it is a shared one", value: text(&s.Gateway.JWTKeyFile)},
		{Name: "gateway.jwt_issuer", Doc: "with jwt: who has to have issued a token; anybody without it", value: text(&s.Gateway.JWTIssuer)},
		{Name: "gateway.jwt_audience", Doc: "with jwt: whom a token has to be for, one of these; anybody without it", value: list(&s.Gateway.JWTAudience)},
		{Name: "gateway.alone", Default: "off", Doc: "a user's new session ends older ones at the same actor", value: choice(&s.Gateway.Alone, "on", "off")},
		{Name: "gateway.secret_file", Doc: "file with the secret that all gateways of a cluster seal resume tokens with; without it only this process takes its clients back", value: text(&s.Gateway.SecretFile)},
		{Name: "gateway.resume_window", Default: "1m", Doc: "how long a session waits for its client to come back", value: duration(&s.Gateway.ResumeWindow, time.Second, time.Hour)},
		{Name: "gateway.drain_spread", Default: "10s", Doc: "time in which clients are told to go, when the gateway ends", value: duration(&s.Gateway.DrainSpread, 0, time.Hour)},
		{Name: "gateway.max_message", Default: "65536", Doc: "bytes of the largest message that clients may send", value: count(&s.Gateway.MaxMessage, 1, 1<<30)},
		{Name: "gateway.messages", Default: "0", Doc: "messages that a client may send per second; 0: no limit", value: count(&s.Gateway.Messages, 0, 1<<40)},
		{Name: "gateway.message_burst", Default: "0", Doc: "messages that may come at once; 0: as many as in a second, which is Koala's counter", value: count(&s.Gateway.MessageBurst, 0, 1<<40)},
		{Name: "gateway.bytes", Default: "0", Doc: "bytes that a client may send per second; 0: no limit", value: count(&s.Gateway.Bytes, 0, 1<<40)},
		{Name: "gateway.byte_burst", Default: "0", Doc: "bytes that may come at once; 0: as many as in a second", value: count(&s.Gateway.ByteBurst, 0, 1<<40)},
		{Name: "gateway.connections", Default: "0", Doc: "connections that are taken; 0: no limit", value: count(&s.Gateway.Connections, 0, 1<<31-1)},
		{Name: "gateway.per_address", Default: "0", Doc: "connections that one address may have; 0: no limit", value: count(&s.Gateway.PerAddress, 0, 1<<31-1)},
		{Name: "gateway.slow", Default: "drop_newest", Doc: "what happens to a client that does not read: it misses messages and is told so, or its connection is closed", value: choice(&s.Gateway.Slow, "drop_newest", "drop_session")},
		{Name: "gateway.memory", Default: "1073741824", Doc: "bytes of the messages that wait for clients and actors, all together", value: count(&s.Gateway.Memory, 1<<20, 1<<50)},
		{Name: "sidecar.function", Default: "127.0.0.1:8080", Doc: "address of the user function", value: address(&s.Sidecar.Function)},
		{Name: "sidecar.http", Default: "0.0.0.0:9000", Doc: "address for clients: gRPC, gRPC-Web, Connect and HTTP/JSON", value: address(&s.Sidecar.HTTP)},
		{Name: "sidecar.management", Default: "0.0.0.0:8558", Doc: "address of /ready and /alive; port 0: none", value: address(&s.Sidecar.Management)},
		{Name: "sidecar.metrics", Default: "0.0.0.0:9090", Doc: "address of the figures for Prometheus; port 0: none", value: address(&s.Sidecar.Metrics)},
		{Name: "sidecar.broker", Secret: true, Doc: "URL of the broker of topics, nats://HOST:PORT or kafka://HOST:PORT,…; none without it", value: text(&s.Sidecar.Broker)},
		{Name: "sidecar.strict", Default: "off", Doc: "user functions that announce another protocol than 0.2 are refused", value: choice(&s.Sidecar.Strict, "on", "off")},
		{Name: "sidecar.relay_timeout", Default: "1m", Doc: "how long the user function may take to answer a command", value: duration(&s.Sidecar.RelayTimeout, time.Millisecond, 24*time.Hour)},
		{Name: "sidecar.passivation", Default: "30s", Doc: "how long an entity without commands is kept in memory, where the user function does not say", value: duration(&s.Sidecar.Passivation, time.Millisecond, 24*time.Hour)},
		{Name: "sidecar.max_streams", Default: "0", Doc: "entities that have a stream to the user function at once; 0: no limit, or with Python's library one less than there are CPUs", value: count(&s.Sidecar.MaxStreams, 0, 1<<30)},
		{Name: "sidecar.max_message", Default: "12582912", Doc: "bytes of the largest message of the user function and of clients", value: count(&s.Sidecar.MaxMessage, 1, 1<<30)},
	}
}
