// Package pd runs a process of the placement driver: one, three or five of them,
// with etcd embedded, or any number beside an etcd that is there. One of them
// leads; it runs the Directory of placement/driver. etcd keeps who leads, which
// nodes hold a lease, sequences, settings, and what foreign hosts have; where
// actors live is in the leader's memory, and the nodes know it too.
//
// Start is all that a program needs; the command mallee pd is one. What is said
// over its port is in docs/protocol.md and docs/koala.md, how to run it in
// docs/runbook.md.
package pd
