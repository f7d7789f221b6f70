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
// orderly way first makes sure that nothing is (Retire); what comes for a session
// behind that, from a node that has joined since, is a new epoch, too.
//
// A session is at one gateway only. One that looks for it where the client's
// token says, and finds it gone, asks all (Find), and begins it anew when nobody
// has it. While somebody does not answer and is not known to be dead, the client
// has to wait. Of two that look for it at once the one goes on where the client
// has come last (edge.Resume.Attempt).
//
// What is promised, within an epoch: each message at most once; those of a sender
// in its order; none missing but those that a Lost counts. A message for a
// session that is not known at that place any more is refused: its sender is told.
// The simulation in the tests holds this against crashes, stops, stalls of
// links, slow clients and actors that move.
package handover
