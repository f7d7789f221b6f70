package edge

import (
	"encoding/json"
	"fmt"
)

// Hello is the payload of KindLogin: a login, the wish to go on with a session,
// or both: then the login counts where the session cannot be resumed.
type Hello struct {
	Version int             `json:"version"`          // Version
	Login   json.RawMessage `json:"login,omitempty"`  // what a plain client sends as its first message; a JSON object, or a string with a JWT
	Resume  *Resume         `json:"resume,omitempty"` // of the Welcome before
}

// Resume names the point at which a session is to go on.
type Resume struct {
	Token    string `json:"token"`
	Epoch    string `json:"epoch"`
	Received uint64 `json:"received"` // data frames of the epoch that the client has
	// Attempt counts the client's connections for the session, so that of two
	// gateways that both have let it in the later one has it.
	Attempt uint64 `json:"attempt,omitempty"`
}

// Welcome is the payload of KindWelcome. It comes once for each connection, and
// again when the token changes.
type Welcome struct {
	Session string `json:"session"` // its ID, in decimal
	Token   string `json:"token"`   // for Resume; empty: the session cannot be resumed
	Epoch   string `json:"epoch"`   // both sides count data frames from its beginning
	Resumed bool   `json:"resumed"` // the epoch goes on; otherwise it is new and, if the client wanted to resume, it is not known what it has missed
	// Received is how many data frames of the epoch have come from the client;
	// what it has sent after those is to be sent again.
	Received uint64 `json:"received"`
	Window   int64  `json:"window_ms"`   // how long a session waits for its client to come back
	Ping     int64  `json:"ping_ms"`     // something has to come from the client at least this often
	Largest  int64  `json:"max_message"` // payload of a data frame, in bytes
}

// Lost is the payload of KindLost: so many data frames, which would be the next
// ones, will not come. They are counted as if they had.
type Lost struct {
	Count uint64 `json:"count"`
	// Sent counts data frames of the client, since the epoch began, of which it
	// is not known whether the actor has seen them, since its node has failed
	// with them. It may be said twice.
	Sent uint64 `json:"sent,omitempty"`
}

// Move is the payload of KindMove: the gateway is about to stop. The client
// should come back, and will reach another gateway, at a random moment of the
// given time.
type Move struct {
	Within int64    `json:"within_ms"`
	URLs   []string `json:"urls,omitempty"` // of other gateways; empty: the same as before
}

// Closed is the payload of KindClose, and the error that it becomes. Of a client
// only CodeNormal ends the session; after another code, or none, it waits.
type Closed struct {
	Code   Code   `json:"code"`
	Reason string `json:"reason"`
}

func (c *Closed) Error() string {
	return fmt.Sprintf("connection closed with code %d: %s", c.Code, c.Reason)
}
