// Package koalahttp serves the HTTP/JSON API of Koala's placement driver, so
// that Koala's Python hosts and C# gateways join a Mallee cluster unchanged.
// It speaks and checks; what a cluster is, a [Cluster] decides.
package koalahttp
