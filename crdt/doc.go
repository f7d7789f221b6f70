// Package crdt has values that can be changed on every node at once, and become
// equal everywhere: conflict-free replicated data types. It is pure: how changes
// travel is decided elsewhere (package internal/replicas).
//
// A Value is made of atoms. Each has the Dot of the change that made it, so that a
// node which has seen a change, and does not have its atoms any more, is known to
// have removed them, and one that has not seen it is not. What a node has seen is
// its Clock: one number for each replica, for all of its values together. So a
// value needs no causal context of its own, and keeps no tombstones
// (Gonçalves, Almeida, Baquero, Fonte: Concise Server-Wide Causality Management for
// Eventually Consistent Data Stores, 2015; Almeida, Shoker, Baquero: Delta State
// Replicated Data Types, 2018).
//
// A change takes two forms. A Delta is what a user asks for or is told, in the
// words of the type: "add 3", "remove x". An effect is what other replicas apply:
// atoms under a dot, and what was observed is removed.
//
// Programs use handles: [PNCounter], [ORSet] and the others, which see a [Replica] in
// the words of its kind. mallee.NewReplicated gives them.
package crdt
