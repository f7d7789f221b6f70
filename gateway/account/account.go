// Package account is the actor interface that a gateway asks who a client is
// and which actor it belongs to. An actor type implements it and serves it:
//
//	auth.DoorType(auth.NewDoor, mallee.Serves(account.AccountsInterface()))
//
// and the gateway is told the type's name. Its keys are the numbers from 0 to
// 2047, chosen at random, so that logins are spread over the nodes; hosts of
// Koala answer for the type in their own way.
package account

import (
	"context"

	"github.com/mallee-io/mallee"
)

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// Accounts answers for logins.
//
//mallee:actor
type Accounts interface {
	// Login returns the actor to bind the session to. An error refuses the
	// client, who is told its code and message.
	Login(ctx context.Context, l Login) (Admission, error)
}

// Login is a client's wish to become a session.
type Login struct {
	User   string // as the client says; what the gateway was told to check has been checked
	Server int64  // the number of the game server that the client wants, where clients name one
	Packet []byte // the client's first message, byte for byte
	// Session is the mallee.Session.At that the client will have. A host of Koala
	// names it in its answer; others need not look at it.
	Session uint64
}

// Admission is the answer to a login.
type Admission struct {
	Actor mallee.ID // that the session is bound to
	User  string    // who it is; empty: as the client said
}
