// Package handover decides how a session goes from one gateway to another while
// messages are on their way to it. It does no I/O.
//
// Gateway B, to which a client has come, asks gateway A for the session (Take),
// and A answers with all of it (Taken). From then on A forwards what still comes
// for it. Nodes learn the new place one after the other, so B gets messages of a
// node X by both ways. B holds what comes from X directly, and asks X to send a
// Marker to A behind all that it has sent there; A passes it on behind all that
// it has forwarded. Then nothing of X is behind what B holds:
//
//	X ──m1──→ A ──────m1──────→ B ──m1,m2──→ client
//	│         ↑                 ↑│
//	├─marker──┘──────marker─────┤│
//	└──────────m2 (held)────────┘│
//	↑────────── flush ───────────┘
//
// A chain of gateways does the same at each link. When a node dies of which
// something is held, or a gateway that was forwarding, it is not known what was
// on its way: the client is told so by a new epoch. A gateway that stops in an
// orderly way first makes sure that nothing is (Retire).
package handover
