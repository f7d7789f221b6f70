// Package activation runs actors: it holds the activations of one node, gives
// each of them one turn at a time, and ends them when they are idle.
//
// A call becomes a Turn in the mailbox of an Activation. The right to touch the
// actor is a baton: exactly one turn holds it while actor code runs. A turn
// that waits in a call of its own lends the baton, and only a turn of the same
// call chain (or a read-only one among read-only ones) may run meanwhile; the
// waiting turn goes on when it has the baton back. So at any instant at most
// one goroutine runs code of one actor.
//
// A goroutine exists only while a turn runs: the first call that finds the
// baton free starts one, which takes turns until there are none.
//
// Lock order: watch.visiting, shard.mu, Activation.mu, watch.mu.
package activation
