package edge

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Client is a client's end of a session, across its connections: what it has
// received, and what is sent, or has to be sent again. It decides and does no
// I/O: whoever has the connection gives it what has come and writes what it
// says. It is not safe for concurrent use. See NewClient.
//
// Both sides count data frames from the beginning of the epoch. Of those of the
// client, [0, first) have come to their end, [first, next) are written to this connection
// and [next, first+len(kept)) are not. After a resume next goes back.
type Client struct {
	messages, bytes int // bounds of kept

	attempt  uint64
	welcomed bool // on this connection
	welcome  Welcome

	received uint64
	acked    uint64

	kept    []Data
	size    int // of what is kept
	first   uint64
	next    uint64
	written uint64 // the highest next of the epoch: what may have arrived
	unsure  uint64 // Lost.Sent, as last told in the epoch
}

// Data is a data frame: its Kind is KindText or KindBinary.
type Data struct {
	Kind    Kind
	Payload []byte
}

// Loss tells what a client has to know that it has missed. It is an error where
// messages are read.
type Loss struct {
	Count   uint64 // messages for the client that will not come, which would be the next ones
	Unknown bool   // there may be more of them
	Sent    uint64 // messages of the client of which it is not known whether the actor has seen them
}

func (l *Loss) Error() string {
	missed := strconv.FormatUint(l.Count, 10)
	if l.Unknown {
		missed = "an unknown number of"
	}
	return fmt.Sprintf("%s messages for this client are lost, and %d of its own may be", missed, l.Sent)
}

// Event is what a frame means to the user of the client. Of its fields only one
// is set, or none, but for a Loss beside Opened.
type Event struct {
	Opened *Welcome // the connection is ready
	Lost   *Loss
	Data   Data // its Kind is 0 if this is none
	Move   *Move
	Closed *Closed
	Pong   *Data // to be written at once
}

// ErrFull says that too much is kept for the gateway to acknowledge.
var ErrFull = errors.New("the send buffer is full: the gateway has not acknowledged what is in it")

// NewClient makes a client that keeps at most so many messages and bytes that
// the gateway has not acknowledged; one message may be larger, if it is alone.
func NewClient(messages, bytes int) *Client {
	return &Client{messages: messages, bytes: bytes}
}

// Begin begins a connection. It is the first frame to be written, KindLogin;
// without a session to resume the login is needed.
func (c *Client) Begin(login json.RawMessage) Hello {
	c.welcomed = false
	c.attempt++
	return Hello{Version: Version, Login: login, Resume: c.Resume()}
}

// Resume is the point to go on at; nil without a session that can be resumed.
func (c *Client) Resume() *Resume {
	if c.welcome.Token == "" {
		return nil
	}
	return &Resume{Token: c.welcome.Token, Epoch: c.welcome.Epoch, Received: c.received, Attempt: c.attempt}
}

// Forget gives up the session's token, after a gateway has refused it.
func (c *Client) Forget() { c.welcome.Token = "" }

// Send takes a data frame, to be written when Next says so. The payload must
// not change any more.
func (c *Client) Send(d Data) error {
	if len(c.kept) >= c.messages || len(c.kept) > 0 && c.size+len(d.Payload) > c.bytes {
		return ErrFull
	}
	c.kept = append(c.kept, d)
	c.size += len(d.Payload)
	return nil
}

// Room reports whether a message might be taken.
func (c *Client) Room() bool { return len(c.kept) < c.messages && c.size < c.bytes }

// Next is the next data frame to write to this connection, if there is one.
func (c *Client) Next() (Data, bool) {
	at := c.next - c.first
	if !c.welcomed || at >= uint64(len(c.kept)) {
		return Data{}, false
	}
	c.next++
	c.written = max(c.written, c.next)
	return c.kept[at], true
}

// Ack is the count for a KindAck, if at least every frames have come since the
// last one.
func (c *Client) Ack(every uint64) (received uint64, due bool) {
	if !c.welcomed || c.received-c.acked < every {
		return 0, false
	}
	c.acked = c.received
	return c.received, true
}

// Read takes a frame that has come. The error is a *Violation: the connection is
// to be closed with it.
func (c *Client) Read(kind Kind, payload []byte) (Event, error) {
	if !c.welcomed && kind != KindWelcome && kind != KindClose {
		return Event{}, violation(CodeProtocol, "a frame of kind %d before the welcome", kind)
	}
	switch kind {
	case KindText, KindBinary:
		c.received++
		return Event{Data: Data{kind, payload}}, nil
	case KindPing:
		return Event{Pong: &Data{KindPong, payload}}, nil
	case KindPong:
		return Event{}, nil
	case KindAck:
		return Event{}, c.readAck(payload)
	case KindWelcome:
		return c.readWelcome(payload)
	case KindLost:
		return c.readLost(payload)
	case KindMove:
		move, err := Decode[Move](payload)
		return Event{Move: &move}, err
	case KindClose:
		closed, err := Decode[Closed](payload)
		return Event{Closed: &closed}, err
	}
	return Event{}, violation(CodeProtocol, "a frame of the unknown kind %d", kind)
}

func (c *Client) readAck(payload []byte) error {
	n, err := ParseAck(payload)
	if err == nil && n > c.next {
		err = violation(CodeProtocol, "%d frames acknowledged of %d", n, c.next)
	}
	if err == nil && n > c.first {
		c.drop(n)
	}
	return err
}

func (c *Client) readLost(payload []byte) (Event, error) {
	lost, err := Decode[Lost](payload)
	if err != nil {
		return Event{}, err
	}
	c.received += lost.Count
	more := lost.Sent - min(lost.Sent, c.unsure)
	c.unsure += more
	if lost.Count == 0 && more == 0 { // said once more
		return Event{}, nil
	}
	return Event{Lost: &Loss{Count: lost.Count, Sent: more}}, nil
}

func (c *Client) readWelcome(payload []byte) (Event, error) {
	w, err := Decode[Welcome](payload)
	if err != nil {
		return Event{}, err
	}
	switch {
	case w.Epoch == "":
		return Event{}, violation(CodeProtocol, "a welcome without an epoch")
	case c.welcomed:
		if w.Epoch != c.welcome.Epoch {
			return Event{}, violation(CodeProtocol, "a new epoch amid a connection")
		}
		c.welcome.Token = w.Token
		return Event{}, nil
	case w.Resumed:
		return c.goOn(&w)
	}
	return c.beginEpoch(&w), nil
}

// goOn goes on with an epoch: what the gateway does not have is sent again. What
// it has is kept until it says that the actor has seen it: should the gateway
// die, the client has to know what it cannot be sure of.
func (c *Client) goOn(w *Welcome) (Event, error) {
	if w.Epoch != c.welcome.Epoch || w.Received < c.first || w.Received > c.written {
		return Event{}, violation(CodeProtocol, "resumed at frame %d of epoch %q; the client has sent %d to %d of %q",
			w.Received, w.Epoch, c.first, c.written, c.welcome.Epoch)
	}
	c.next = w.Received
	c.acked = c.received // Resume has told
	c.welcomed, c.welcome = true, *w
	return Event{Opened: w}, nil
}

// beginEpoch begins to count anew. What was written in the epoch before is not
// sent again: the actor may have seen it.
func (c *Client) beginEpoch(w *Welcome) Event {
	event := Event{Opened: w}
	if c.welcome.Epoch != "" {
		event.Lost = &Loss{Unknown: true, Sent: c.written - c.first}
	}
	c.drop(c.written)
	c.first, c.next, c.written = w.Received, w.Received, w.Received
	c.received, c.acked, c.unsure = 0, 0, 0
	c.welcomed, c.welcome = true, *w
	return event
}

// drop forgets what has arrived: frames before the given one.
func (c *Client) drop(until uint64) {
	n := until - c.first
	for i := range c.kept[:n] {
		c.size -= len(c.kept[i].Payload)
		c.kept[i] = Data{} // for the collector
	}
	c.kept = c.kept[n:]
	c.first = until
}
