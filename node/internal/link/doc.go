// Package link decides how the orders of one node get to another one: each once
// and in its order, although connections between the two break. It does no I/O
// and knows no clock.
//
// The sender (Out) numbers its orders from 1 and keeps them until the receiver
// (In) says how many it has taken. When a connection is lost it sends again,
// from the oldest that it keeps; the receiver takes each number once, and none
// before its turn:
//
//	Out  1 2 3 ─ lost ─ 2 3 4 ──────────→
//	In   1 2            ·(again) 3 4  ack 4
//
// An order that comes before its turn was sent over a new connection before the
// sender has heard of the end of the old one. It is not taken, and will come
// again. So numbers need not be asked for.
//
// What the sender cannot keep any more, or does not want to, is a gap: an entry
// with a number like an order, which says from where on orders are missing. Both
// ends belong to one life of both nodes: another life has other numbers.
package link
