package handover_test

import (
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/mallee-io/mallee/wire/edge"
)

// payload of a message down: who has sent it and its number.
func payload(sender, seq int) []byte {
	b := binary.AppendUvarint(nil, uint64(sender))
	return binary.AppendUvarint(b, uint64(seq))
}

func parsePayload(b []byte) (sender, seq int) {
	s, n := binary.Uvarint(b)
	q, _ := binary.Uvarint(b[n:])
	return int(s), int(q)
}

// client of one session, for ever.
type client struct {
	id      int
	world   *world
	machine *edge.Client
	conn    *conn
	asleep  time.Duration // until when it does not read
	actor   *actor
	name    uint64   // the session's ID
	places  []uint64 // where it was and is

	// Down.
	sends  map[int][]*sent // by sender
	last   map[int]int     // number of the last one received, by sender
	missed int             // told by Lost in this epoch
	began  time.Duration   // of the epoch, at the gateway
	epochs int
	skips  []skip

	// Up.
	said    int    // messages sent
	ran     []int  // by the actor
	attempt uint64 // by which the last one has come
	unsure  int    // told
}

// sent is a message of an actor for a client.
type sent struct {
	at       time.Duration
	received bool
	refused  bool // the sender is told, or the gateway was dead
	astray   bool // sent to a session without a client, while the client had another one: it is told later
	cutOff   bool // the sender died with it: nothing behind it may arrive
}

// skip is a message that was missing when a later one of its sender came.
type skip struct {
	sent   *sent
	epoch  int
	began  time.Duration // of the epoch
	missed int           // what the client was told of in the epoch until then
}

// wrongly reports whether a message is missing of which the client has to be
// told in an epoch that began at a time.
func (s *sent) wrongly(began time.Duration) bool {
	return !s.received && s.at > began && (!s.refused || s.cutOff)
}

func (w *world) connect(c *client) {
	if c.conn != nil {
		return
	}
	var open []*node
	for _, n := range w.live() {
		if !n.draining {
			open = append(open, n)
		}
	}
	if len(open) == 0 {
		w.after(w.between(0, time.Second), func() { w.connect(c) })
		return
	}
	n := open[w.random.IntN(len(open))]
	k := &conn{client: c, gate: n.gate, open: true, clientHas: true, gateHas: true, credit: 4}
	c.conn = k
	hello := c.machine.Begin(json.RawMessage(`"login"`))
	w.say("client %d connects to %d: %+v", c.id, n.id, hello.Resume)
	w.toGate(k, func() { n.gate.hello(k, hello) })
	// A handshake that takes too long is given up.
	w.after(w.between(3*time.Second, 6*time.Second), func() {
		if c.conn == k && k.session == nil && k.clientHas && hello.Resume != nil {
			w.say("client %d gives up", c.id)
			w.hangUp(k, 0, w.between(0, 2*time.Second))
		}
	})
}

func (w *world) clientLost(k *conn) {
	c := k.client
	if c.conn != k {
		return
	}
	w.say("client %d has lost its connection", c.id)
	c.conn = nil
	w.after(w.between(0, 2*time.Second), func() { w.connect(c) })
}

// read is what comes to the client.
func (c *client) read(k *conn, kind edge.Kind, data []byte) {
	w := c.world
	event, err := c.machine.Read(kind, data)
	if err != nil {
		w.fail("client %d: %v", c.id, err)
		return
	}
	if event.Closed != nil {
		w.say("client %d is closed: %d %s", c.id, event.Closed.Code, event.Closed.Reason)
		w.hangUp(k, 0, 0)
		return
	}
	if event.Opened != nil && !event.Opened.Resumed {
		c.newEpoch(event)
	} else if l := event.Lost; l != nil {
		c.missed += int(l.Count)
		c.unsure += int(l.Sent)
		w.say("client %d has lost %d, unsure %d", c.id, l.Count, l.Sent)
	}
	if event.Data.Kind != 0 {
		c.got(parsePayload(event.Data.Payload))
	}
	c.write(k)
}

func (c *client) newEpoch(e edge.Event) {
	c.began, c.missed = c.conn.session.began, 0
	c.epochs++
	if e.Lost != nil {
		c.unsure += int(e.Lost.Sent)
	}
}

func (c *client) got(sender, seq int) {
	w := c.world
	w.sum["received"]++
	w.say("client %d has message %d of sender %d", c.id, seq, sender)
	list := c.sends[sender]
	s := list[seq]
	if s.received {
		w.fail("client %d has message %d of sender %d twice", c.id, seq, sender)
	}
	if seq < c.last[sender] {
		w.fail("client %d has message %d of sender %d after %d", c.id, seq, sender, c.last[sender])
	}
	s.received = true
	for i := c.last[sender] + 1; i < seq; i++ {
		c.skips = append(c.skips, skip{list[i], c.epochs, c.began, c.missed})
	}
	c.last[sender] = seq
}

// write writes what the client has to say.
func (c *client) write(k *conn) {
	w := c.world
	if n, due := c.machine.Ack(3); due && !w.chance(3) {
		w.toGate(k, func() { k.gate.ack(k, n) })
	}
	for {
		d, ok := c.machine.Next()
		if !ok {
			return
		}
		w.toGate(k, func() { k.gate.data(k, d) })
	}
}

func (c *client) speak() {
	w := c.world
	if !w.ended() {
		if err := c.machine.Send(edge.Data{Kind: edge.KindBinary, Payload: binary.AppendUvarint(nil, uint64(c.said+1))}); err == nil {
			c.said++
		}
		w.after(w.between(10*time.Millisecond, 400*time.Millisecond), c.speak)
	}
	if c.conn != nil && c.conn.clientHas {
		c.write(c.conn)
	}
}
