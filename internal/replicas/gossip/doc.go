// Package gossip is what one process has of all replicated values, and what it
// says to the others so that all become equal: state machines without goroutine,
// wall clock or socket.
//
// Values has the copies. What the process changes is gathered in its open batch;
// Seal ends the batch and gives it a number. A batch says what its replica had
// seen, and is applied by the others only after all of that, so changes arrive in
// causal order and a Clock tells exactly what a process has.
//
// A Machine sends batches to the others, again until they have them, passes on
// those whose replica is gone, gives its whole state to who is too far behind, and
// removes replicas that do not come back, when the keeper says so: the one actor that
// gives replicas their IDs.
//
// The simulation in the tests runs machines under faults, and holds them against what
// comes of applying all of their batches one after the other.
package gossip
