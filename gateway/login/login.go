// Package login decides who a client of a gateway is and which actor its
// session is bound to: Koala checks the checksum of Koala's first packet, JWT a
// signed token, Account asks an actor, and Func is your own.
package login

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/wire/edge"
)

// Authenticator decides on logins. It is safe for concurrent use.
type Authenticator interface {
	// Authenticate admits a client, or refuses it by a *Refusal. Another error
	// is a failure of the gateway's side: the client is closed with
	// edge.CodeInternal and not told the text. ctx ends when the client's time
	// for its login is over.
	Authenticate(ctx context.Context, r *Request) (Admission, error)
}

// Request is a client's wish to become a session.
type Request struct {
	Packet  []byte         // the client's first message, byte for byte; not to be changed
	Remote  netip.AddrPort // where the client is
	Header  http.Header    // of the request that opened the connection; nil where there was none
	Carrier string         // websocket, tcp, quic, webtransport
	Session uint64         // mallee.Session.At of the session, should it be admitted; hosts of Koala are told
}

// Admission says what a session is bound to.
type Admission struct {
	Actor  mallee.ID // that gets the client's messages
	User   string    // who it is; the same text for all sessions of one user
	Server int64     // the number of the game server that the client named, where clients name one
	First  []byte    // what the actor gets as Arrival.Login; empty where the client named its actor itself
}

// Refusal closes a client with a code and a reason, both of which it is told.
type Refusal struct {
	Code   edge.Code
	Reason string
	// Frame is what a plain client, one that does not speak frames, gets as a
	// binary message before the close; nil: nothing.
	Frame []byte
}

func (r *Refusal) Error() string { return "login refused: " + r.Reason }

// Func is an Authenticator of your own. It may be called from many goroutines.
type Func func(ctx context.Context, r *Request) (Admission, error)

// Authenticate calls f.
func (f Func) Authenticate(ctx context.Context, r *Request) (Admission, error) { return f(ctx, r) }
