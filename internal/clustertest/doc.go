// Package clustertest has only tests: of clusters with all their real parts,
// placement drivers with etcd inside, nodes, a store in that etcd, and TCP
// between them.
package clustertest
