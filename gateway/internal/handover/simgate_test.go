package handover_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/gateway/internal/handover"
	"github.com/mallee-io/mallee/gateway/internal/stream"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/edge"
)

const simWindow = 8 * time.Second // how long a session waits for its client

// gate is what a gateway does around the machines.
type gate struct {
	world    *world
	node     *node
	table    *handover.Table
	sessions map[uint64]*session // by At
	taking   map[uint64]*taking  // by the At that is asked for
	conns    []*conn
}

type session struct {
	gate   *gate
	client *client
	id, at uint64
	epoch  uint64
	began  time.Duration // of the epoch
	over   bool          // the epoch cannot go on
	out    stream.Out
	in     stream.In
	conn   *conn
	away   time.Duration // since when there is no connection
	busy   bool
	frozen []func() // takes that wait for the call's end
	known  placement.NodeID
}

// taking is a session that another gateway was asked for.
type taking struct {
	to    uint64
	from  placement.NodeID // the gateway that was asked
	conn  *conn
	hello edge.Hello
	token simToken
	waits []func() // takes of it by others
}

type simToken struct{ id, at, epoch uint64 }

func (t simToken) String() string { return fmt.Sprintf("%d/%d/%d", t.id, t.at, t.epoch) }

func parseToken(s string) (t simToken) {
	if _, err := fmt.Sscanf(s, "%d/%d/%d", &t.id, &t.at, &t.epoch); err != nil {
		panic(err)
	}
	return t
}

func newGate(w *world, n *node) *gate {
	return &gate{world: w, node: n, table: handover.NewTable(&w.holds), sessions: make(map[uint64]*session), taking: make(map[uint64]*taking)}
}

func (g *gate) newAt() uint64 {
	g.world.lastAt[g.node.id]++
	return uint64(g.node.id)*10_000_000_000 + g.world.lastAt[g.node.id]
}

// hello is a client's first frame.
func (g *gate) hello(k *conn, hello edge.Hello) {
	w := g.world
	g.conns = append(g.conns, k)
	if g.node.draining {
		g.closeConn(k, edge.CodeDrain)
		return
	}
	if hello.Resume == nil {
		at := g.newAt()
		s := g.create(k.client, at, at)
		g.attach(s, k, hello, false)
		g.announce(s, false)
		return
	}
	g.resume(k, hello, parseToken(hello.Resume.Token), g.newAt())
	_ = w
}

// resume looks for a session, here and then where its token says.
func (g *gate) resume(k *conn, hello edge.Hello, token simToken, to uint64) {
	w, owner := g.world, handover.NodeOf(token.at)
	if s := g.sessions[token.at]; s != nil {
		g.attach(s, k, hello, strconv.FormatUint(s.epoch, 10) == hello.Resume.Epoch)
		return
	}
	if next := g.table.Where(token.at); next != 0 {
		token.at = next
		g.resume(k, hello, token, to)
		return
	}
	if t := g.taking[token.at]; t != nil {
		if t.conn != nil {
			g.closeConn(t.conn, edge.CodeReplaced)
		}
		t.conn, t.hello = k, hello
		return
	}
	t := &taking{to: to, from: owner, conn: k, hello: hello, token: token}
	g.taking[token.at] = t
	g.table.Taking(to, token.at)
	if owner == g.node.id || g.node.lost[owner] {
		g.taken(t, handover.Taken{})
		return
	}
	w.say("node %d takes %d as %d", g.node.id, token.at, to)
	n := g.node
	n.tickets++
	ticket := n.tickets
	n.asked[ticket] = func(answer any) { g.taken(t, answer.(handover.Taken)) }
	body, err := (&handover.Take{Session: token.id, At: token.at, To: to, Epoch: token.epoch, Received: hello.Resume.Received}).Append(nil)
	if err != nil {
		panic(err)
	}
	w.send(n.id, owner, func(other *node) {
		var q handover.Take
		if err := q.Parse(body); err != nil {
			panic(err)
		}
		other.gate.take(q, func(a handover.Taken) {
			answer, err := a.Append(nil)
			if err != nil {
				panic(err)
			}
			w.send(owner, n.id, func(*node) {
				var a handover.Taken
				if err := a.Parse(answer); err != nil {
					panic(err)
				}
				if do := n.asked[ticket]; do != nil {
					delete(n.asked, ticket)
					do(a)
				}
			})
		})
	})
	// An answer that takes too long is not waited for.
	w.after(w.between(6*time.Second, 12*time.Second), func() {
		if n.asked[ticket] == nil || !n.alive {
			return
		}
		delete(n.asked, ticket)
		delete(g.taking, token.at)
		w.say("node %d gives up to take %d as %d", n.id, token.at, to)
		g.run(g.table.Ended(to))
		g.closeConn(t.conn, edge.CodeUnavailable)
		for _, do := range t.waits {
			do()
		}
	})
}

// take answers another gateway.
func (g *gate) take(q handover.Take, answer func(handover.Taken)) {
	w := g.world
	if gone := g.table.Where(q.At); gone != 0 {
		w.sum["redirected"]++
		answer(handover.Taken{Gone: gone})
		return
	}
	for _, from := range sortedKeys(g.taking) {
		if t := g.taking[from]; t.to == q.At {
			t.waits = append(t.waits, func() { g.take(q, answer) })
			return
		}
	}
	s := g.sessions[q.At]
	if s == nil {
		answer(handover.Taken{})
		return
	}
	if s.conn != nil {
		g.closeConn(s.conn, edge.CodeReplaced)
	}
	if s.busy && !w.flaws.impatient {
		s.frozen = append(s.frozen, func() { g.take(q, answer) })
		return
	}
	g.table.Give(q.At, q.To)
	delete(g.sessions, q.At)
	r := &handover.Record{Session: s.id, Actor: s.client.actor.id, Epoch: s.epoch, Received: s.in.Received(), Waiting: s.in.Waiting()}
	if s.over {
		r.Epoch = 0
	}
	if w.flaws.unrestored {
		r.Waiting = nil
	}
	r.Out = s.out.State()
	w.say("node %d gives %d to %d", g.node.id, q.At, q.To)
	answer(handover.Taken{Record: r})
}

// taken is the answer of the other gateway, or that there is none.
func (g *gate) taken(t *taking, a handover.Taken) {
	w := g.world
	delete(g.taking, t.token.at)
	if a.Gone != 0 {
		w.say("node %d is told that %d has gone to %d", g.node.id, t.token.at, a.Gone)
		g.run(g.table.Ended(t.to))
		if t.conn != nil {
			t.token.at = a.Gone
			g.resume(t.conn, t.hello, t.token, g.newAt())
		}
		return
	}
	s := g.create(t.token.client(w), t.token.id, t.to)
	if r := a.Record; r != nil {
		w.sum["taken"]++
		s.epoch, s.over = r.Epoch, r.Epoch == 0
		s.began = w.began(s.epoch)
		s.out = stream.RestoreOut(&w.bounds, r.Out, w.now)
		s.in = stream.RestoreIn(&w.waits, r.Received, r.Waiting, w.now)
	}
	s.out.Detach()
	g.run(g.table.Taken(t.to, a.Record != nil))
	g.announce(s, true)
	if t.conn != nil {
		g.attach(s, t.conn, t.hello, strconv.FormatUint(s.epoch, 10) == t.hello.Resume.Epoch)
	}
	for _, do := range t.waits {
		do()
	}
}

func (t simToken) client(w *world) *client {
	for _, c := range w.clients {
		if c.name == t.id {
			return c
		}
	}
	panic("no client has this session")
}

// create makes a session in a new epoch.
func (g *gate) create(c *client, id, at uint64) *session {
	w := g.world
	c.name = id
	s := &session{gate: g, client: c, id: id, at: at}
	g.newEpoch(s)
	s.in = stream.NewIn(&w.waits)
	g.sessions[at] = s
	g.wait(s)
	return s
}

func (g *gate) newEpoch(s *session) {
	w := g.world
	w.epochs++
	w.begun = append(w.begun, w.now)
	w.sum["epochs"]++
	s.epoch, s.began, s.over = w.epochs, w.now, false
	s.out = stream.NewOut(&w.bounds, false)
}

func (w *world) began(epoch uint64) time.Duration {
	if epoch == 0 {
		return 0
	}
	return w.begun[epoch-1]
}

// attach gives a session its connection.
func (g *gate) attach(s *session, k *conn, hello edge.Hello, goOn bool) {
	w := g.world
	if !k.gateHas {
		return
	}
	if s.conn != nil {
		g.closeConn(s.conn, edge.CodeReplaced)
	}
	if goOn && !s.over {
		_, lost, err := s.out.Resume(hello.Resume.Received)
		if err != nil {
			w.fail("client %d resumes session %d: %v", k.client.id, s.at, err)
			return
		}
		w.sum["resumed"]++
		w.sum["lost"] += int(lost)
	} else if hello.Resume != nil {
		goOn = false
		g.newEpoch(s)
		s.in.Begin()
	}
	s.conn, k.session = k, s
	welcome := edge.Welcome{
		Session: strconv.FormatUint(s.id, 10), Token: simToken{s.id, s.at, s.epoch}.String(), Epoch: strconv.FormatUint(s.epoch, 10),
		Resumed: goOn, Received: s.in.Received(),
	}
	w.say("node %d: client %d has session %d, %+v", g.node.id, k.client.id, s.at, welcome)
	g.write(k, edge.KindWelcome, mustJSON(welcome))
	g.pump(s)
	g.up(s)
}

func (g *gate) write(k *conn, kind edge.Kind, data []byte) {
	g.world.toClient(k, func() { k.client.read(k, kind, data) })
}

// pump writes what the pipe takes.
func (g *gate) pump(s *session) {
	k := s.conn
	if k == nil || k.session != s {
		return
	}
	for k.credit > 0 && s.out.Pending() {
		for _, f := range s.out.Take(nil, 1) {
			k.credit--
			g.world.toClient(k, func() {
				k.client.read(k, f.Kind, f.Data)
				g.world.after(0, func() {
					k.credit++
					if k.session != nil && k.session.conn == k {
						g.pump(k.session)
					}
				})
			})
		}
	}
}

func (g *gate) closeConn(k *conn, code edge.Code) {
	if k == nil || !k.gateHas {
		return
	}
	g.write(k, edge.KindClose, mustJSON(edge.Closed{Code: code}))
	k.gateHas = false
	g.detach(k)
	g.world.after(2*time.Second, func() { g.world.hangUp(k, 0, 0) })
}

func (g *gate) connLost(k *conn) {
	if g.node.alive {
		g.detach(k)
	}
}

func (g *gate) detach(k *conn) {
	for _, from := range sortedKeys(g.taking) {
		if t := g.taking[from]; t.conn == k {
			t.conn = nil
		}
	}
	s := k.session
	if s == nil || s.conn != k {
		return
	}
	s.conn = nil
	s.out.Detach()
	g.wait(s)
}

// wait ends a session whose client does not come in time.
func (g *gate) wait(s *session) {
	w := g.world
	s.away = w.now
	away := s.away
	w.after(simWindow, func() {
		if s.conn == nil && s.away == away && g.sessions[s.at] == s && g.node.alive {
			w.say("node %d: session %d ends", g.node.id, s.at)
			delete(g.sessions, s.at)
			g.run(g.table.Ended(s.at))
			g.released(s)
		}
	})
}

func (g *gate) ack(k *conn, n uint64) {
	if s := k.session; s != nil && s.conn == k {
		if err := s.out.Ack(n); err != nil {
			g.world.fail("client %d: %v", k.client.id, err)
		}
	}
}

// data is what comes from the client.
func (g *gate) data(k *conn, d edge.Data) {
	w, s := g.world, k.session
	if s == nil || s.conn != k {
		return
	}
	s.in.Push(carrier.Frame{Kind: d.Kind, Data: d.Payload}, w.now)
	g.up(s)
}

// up gives the next message to the actor.
func (g *gate) up(s *session) {
	w := g.world
	if s.busy || g.sessions[s.at] != s || len(s.frozen) > 0 {
		return
	}
	m, ok := s.in.First()
	if !ok {
		return
	}
	s.busy = true
	number, _ := binary.Uvarint(m.Frame.Data)
	w.call(g.node, s.client.actor, func(n *node) string {
		if n.attached[s.id] != s.at {
			return "detached"
		}
		s.client.run(int(number))
		return "ok"
	}, func(reply string) {
		s.busy = false
		switch reply {
		case "ok":
			s.in.Pop()
			if n, due := s.in.Ack(3); due && s.conn != nil {
				g.write(s.conn, edge.KindAck, binary.AppendUvarint(nil, n))
			}
		case "lost":
			w.say("session %d: it is not known whether message %d has run", s.at, number)
			if !w.flaws.repeats {
				s.in.Pop()
				s.out.Unsure()
				w.sum["unsure"]++
				g.pump(s)
			}
		case "detached":
			g.announce(s, true)
			return
		}
		g.released(s)
	})
}

// released goes on after a call: with takes, then with the next message.
func (g *gate) released(s *session) {
	waits := s.frozen
	s.frozen = nil
	for _, do := range waits {
		do()
	}
	g.up(s)
}

// announce tells the actor where the session is. It goes before messages.
func (g *gate) announce(s *session, again bool) {
	w := g.world
	if s.busy {
		return
	}
	s.busy = true
	w.call(g.node, s.client.actor, func(n *node) string {
		if old := n.attached[s.id]; old != 0 && again {
			w.learn(n, old, s.at)
		}
		n.attached[s.id] = s.at
		s.known = n.id
		w.tell(s.client, s.at)
		return "ok"
	}, func(string) {
		s.busy = false
		g.released(s)
	})
}

// order is a push that has come from its node.
func (g *gate) order(from placement.NodeID, at uint64, o handover.Order, refuse func()) {
	if to := g.table.Where(at); to != 0 && o.Kind == handover.Push && g.world.chance(2) {
		g.world.send(g.node.id, from, func(n *node) { g.world.moved(n, at, to) })
	}
	if !g.table.Has(at) && g.sessions[at] == nil {
		refuse()
		return
	}
	if g.world.flaws.unheld && o.Kind == handover.Push && g.sessions[at] != nil {
		g.deliver(g.sessions[at], o)
		return
	}
	g.run(g.table.Direct(at, o))
}

// forwarded is an order that another gateway has passed on.
func (g *gate) forwarded(via placement.NodeID, from, at uint64, o handover.Order) {
	if !g.table.Has(at) && g.sessions[at] == nil {
		g.send(handover.Effect{Do: handover.Ended, Node: via, From: from, At: at})
		return
	}
	g.run(g.table.Forwarded(at, o))
}

func (g *gate) deliver(s *session, o handover.Order) {
	w := g.world
	w.say("node %d: session %d gets %+v", g.node.id, s.at, o)
	switch o.Kind {
	case handover.Push:
		if s.out.Push(o.Frame, w.now) == stream.Slow {
			w.sum["slow"]++
			g.closeConn(s.conn, edge.CodeSlow)
		}
	case handover.Missing:
		w.sum["missing"]++
		s.out.Miss(o.Missing)
	case handover.Unknown:
		w.sum["unknown"]++
		if !w.flaws.silent {
			s.over = true
			g.closeConn(s.conn, edge.CodeInternal)
		}
	}
	g.pump(s)
}

func (g *gate) run(effects []handover.Effect) {
	for _, e := range effects {
		if e.Do != handover.Deliver {
			g.send(e)
		} else if s := g.sessions[e.At]; s != nil {
			g.deliver(s, e.Order)
		}
	}
}

// send carries out what goes to other nodes.
func (g *gate) send(e handover.Effect) {
	w, me := g.world, g.node.id
	w.say("node %d: %+v", me, e)
	w.send(me, e.Node, func(n *node) {
		switch e.Do {
		case handover.Forward:
			from := e.From
			n.gate.forwarded(me, from, e.At, e.Order)
		case handover.Flush:
			w.sum["flushes"]++
			w.flush(n, e.From, e.At)
		case handover.Ended:
			n.gate.run(n.gate.table.Dropped(e.From, e.At))
		case handover.Retire:
			n.gate.run(n.gate.table.RetireOne(e.At, w.liveIDs()))
		case handover.Retired:
			n.gate.run(n.gate.table.Retired(e.At))
		}
	})
}

// gone is the death of a node.
func (g *gate) gone(dead placement.NodeID) {
	g.run(g.table.Gone(dead))
	for _, from := range sortedKeys(g.taking) {
		if t := g.taking[from]; t != nil && t.from == dead {
			g.taken(t, handover.Taken{})
		}
	}
	for _, ticket := range sortedKeys(g.node.calls) {
		if do := g.node.calls[ticket]; do != nil && g.node.called[ticket] == dead {
			delete(g.node.calls, ticket)
			do("lost")
		}
	}
	for _, at := range sortedKeys(g.sessions) {
		if s := g.sessions[at]; s.known == dead {
			g.announce(s, true)
		}
	}
}

// drain sends the clients away and ends the process when nothing can be lost by
// it, or after a time.
func (g *gate) drain() {
	w := g.world
	if g.node.draining {
		return
	}
	w.say("node %d drains", g.node.id)
	g.node.draining = true
	for _, k := range slices.Clone(g.conns) {
		w.after(w.between(0, 3*time.Second), func() { g.closeConn(k, edge.CodeDrain) })
	}
	w.after(w.between(4*time.Second, 10*time.Second), func() {
		if !g.node.alive {
			return
		}
		g.run(g.table.Retire(w.liveIDs()))
		w.after(w.between(0, 5*time.Second), func() {
			if g.node.alive {
				if !g.table.Retiring() {
					w.sum["retired"] += g.table.Len()
				}
				w.kill(g.node)
			}
		})
	})
}
