package mallee

import (
	"context"
	"fmt"
)

// Session is a client's connection to a gateway, as actors see it. It is a
// value: keep it, pass it to other actors, store it.
type Session struct {
	ID   uint64 // names the session for its whole life
	At   uint64 // where it is now; a client that comes back by another gateway is somewhere else
	User string // who has logged in
}

func (s Session) String() string { return fmt.Sprintf("session %d of %q", s.ID, s.User) }

// Message is one message of a session, in either direction. Its Data is what
// client and actor have agreed on; the framework does not look at it, and nobody
// may change it.
//
//mallee:immutable
type Message struct {
	Text bool // UTF-8 text; otherwise bytes
	Data []byte
}

// Text is a text message.
func Text(s string) Message { return Message{Text: true, Data: []byte(s)} }

// Binary is a message of bytes, which must not change any more.
func Binary(data []byte) Message { return Message{Data: data} }

// Client is for actors that clients talk to. Its methods run as turns. While an
// actor has sessions it does not become idle.
type Client interface {
	// OnConnect tells of a session that is bound to the actor from now on. It
	// runs before the session's first message; what it sends is what the client
	// gets first. An error closes the session.
	OnConnect(ctx context.Context, s Session, a Arrival) error
	// OnMessage gets the session's messages in the order in which the client
	// has sent them, each at most once. An error of the actor's own is counted
	// and changes nothing for the session.
	OnMessage(ctx context.Context, s Session, m Message) error
	// OnDisconnect tells that the session has ended, or is not the actor's any
	// more. Nothing can be sent to it.
	OnDisconnect(ctx context.Context, s Session, reason DisconnectReason) error
}

// Arrival is how a session has come to its actor.
type Arrival struct {
	// Login is the client's first message, byte for byte. It is empty where the
	// client named its actor itself, and where it has come back by its token
	// after its gateway has died or forgotten the session.
	Login []byte
	// Again says that the actor has had the session before: it has been moved
	// or has failed meanwhile, or the client has come back by another gateway.
	// What other actors hold of the session, such as groups, wants it anew.
	Again bool
	// Server is the number of the game server that the client wants, where
	// clients name one.
	Server int64
}

// DisconnectReason says why a session has ended.
type DisconnectReason uint8

// Reasons for the end of a session.
const (
	DisconnectClosed   DisconnectReason = iota + 1 // the client has closed it
	DisconnectLost                                 // the client has not come back in time, or its gateway is gone: then it still may, by another one
	DisconnectKicked                               // an actor has ended it, or the gateway, since the client has broken a limit or the protocol
	DisconnectReplaced                             // its user has another one now
	DisconnectRebound                              // it is another actor's now
)

func (r DisconnectReason) String() string {
	switch r {
	case DisconnectClosed:
		return "closed"
	case DisconnectLost:
		return "lost"
	case DisconnectKicked:
		return "kicked"
	case DisconnectReplaced:
		return "replaced"
	case DisconnectRebound:
		return "rebound"
	}
	return "unknown"
}

// Send gives a message to sessions. It is encoded once, and goes once to each
// of their gateways, however many sessions there are. It returns when the
// message is on its way: what one actor sends to a session arrives in its
// order, and is sent again where a connection between nodes breaks. The error is
// the first of gateways that have not been reached for half a minute
// (ErrUnavailable), or are so slow that 32 MiB wait for them (ErrOverloaded): their
// sessions do not get the message, all others do, and their clients are told that
// something is missing once the gateway is reached again. The data must not
// change any more.
func (s *Self) Send(ctx context.Context, m Message, to ...Session) error {
	return s.activation.Send(ctx, m, to)
}

// Kick closes a session after all that has been sent to it. The client is told
// why, and not to come back by itself.
func (s *Self) Kick(ctx context.Context, who Session, why string) error {
	return s.activation.Kick(ctx, who, why)
}

// Bind gives a session to another actor, whose OnConnect runs before any
// further message of the client. The one that had it gets OnDisconnect.
func (s *Self) Bind(ctx context.Context, who Session, to ID) error {
	return s.activation.Bind(ctx, who, to)
}
