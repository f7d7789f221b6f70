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
	cut      map[uint64]bool // sessions that were superseded
}

type session struct {
	gate    *gate
	client  *client
	id, at  uint64
	epoch   uint64
	began   time.Duration // of the epoch
	over    bool          // the epoch cannot go on
	out     stream.Out
	in      stream.In
	conn    *conn
	away    time.Duration // since when there is no connection
	busy    bool
	frozen  []func() // takes that wait for the call's end
	known   placement.NodeID
	attempt uint64
	pushed  [][]byte // all that came for the client
}

// taking is a session that another gateway was asked for.
type taking struct {
	to     uint64
	from   placement.NodeID // the gateway that was asked
	conn   *conn
	hello  edge.Hello
	token  simToken
	waits  []func() // takes of it by others
	ticket int      // of the question
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
	return &gate{world: w, node: n, table: handover.NewTable(&w.holds), sessions: make(map[uint64]*session), taking: make(map[uint64]*taking), cut: make(map[uint64]bool)}
}

func (g *gate) newAt() uint64 {
	g.world.lastAt[g.node.id]++
	return uint64(g.node.id)*10_000_000_000 + g.world.lastAt[g.node.id]
}

// hello is a client's first frame.
func (g *gate) hello(k *conn, hello edge.Hello) {
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
}

// resume looks for a session, here and then where its token says.
func (g *gate) resume(k *conn, hello edge.Hello, token simToken, to uint64) {
	w, owner := g.world, handover.NodeOf(token.at)
	if s := g.find(token); s != nil {
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
	t.ticket = ticket
	n.asked[ticket] = func(answer any) { g.taken(t, answer.(handover.Taken)) }
	body, err := (&handover.Take{Session: token.id, At: token.at, To: to, Epoch: token.epoch, Received: hello.Resume.Received, Attempt: hello.Resume.Attempt}).Append(nil)
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

// find looks for a session that is here, though the client may not know that it
// has come.
func (g *gate) find(token simToken) *session {
	found := g.sessions[token.at]
	for _, at := range sortedKeys(g.sessions) {
		if s := g.sessions[at]; s.id == token.id {
			found = s
		}
	}
	return found
}

// take answers another gateway.
func (g *gate) take(q handover.Take, answer func(handover.Taken)) {
	w := g.world
	if g.node.lost[handover.NodeOf(q.To)] && !w.flaws.posthumous {
		return // the session would go to nobody
	}
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
	if s.attempt > q.Attempt && !w.flaws.late {
		answer(handover.Taken{Late: true})
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
	delete(g.node.asked, t.ticket)
	if a.Gone != 0 {
		w.say("node %d is told that %d has gone to %d", g.node.id, t.token.at, a.Gone)
		g.run(g.table.Ended(t.to))
		if t.conn != nil {
			t.token.at = a.Gone
			g.resume(t.conn, t.hello, t.token, g.newAt())
		}
		return
	}
	if a.Record == nil && t.conn == nil {
		g.run(g.table.Ended(t.to)) // nobody waits for it
		return
	}
	if a.Late {
		g.run(g.table.Ended(t.to))
		g.closeConn(t.conn, edge.CodeReplaced)
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
	s.attempt = t.hello.Resume.Attempt
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
	c.name, c.places = id, append(c.places, at)
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
	if hello.Resume != nil && hello.Resume.Attempt < s.attempt {
		g.closeConn(k, edge.CodeReplaced)
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
		s.astray()
		g.newEpoch(s)
		s.in.Begin()
	}
	s.conn, k.session = k, s
	if hello.Resume != nil {
		s.attempt = hello.Resume.Attempt
	}
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
			g.end(s)
		}
	})
}

// end asks the actor first, which may know the session at another place: then
// what has come here is missing there.
func (g *gate) end(s *session) {
	w := g.world
	w.call(g.node, s.client.actor, func(n *node) string {
		if by := n.attached[s.id]; by.at != s.at && by.attempt > s.attempt {
			n.supersede(w, s, by) // comes before the answer
		}
		return "ok"
	}, func(string) {
		if s.conn != nil || g.sessions[s.at] != s {
			return
		}
		w.say("node %d: session %d ends", g.node.id, s.at)
		s.lonely()
		delete(g.sessions, s.at)
		g.run(g.table.Ended(s.at))
		g.released(s)
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
		switch by := n.attached[s.id]; {
		case by.attempt > s.attempt:
			n.supersede(w, s, by)
			return "detached"
		case by.at != s.at:
			return "detached"
		}
		s.client.run(int(number), s.attempt)
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
		old := n.attached[s.id]
		if old.attempt > s.attempt {
			n.supersede(w, s, old)
			return "ok"
		}
		if old.at != 0 && old.at != s.at {
			w.learn(n, old.at, s.at)
			by := attachment{s.at, s.attempt}
			w.send(n.id, handover.NodeOf(old.at), func(n *node) { n.gate.superseded(old.at, by) })
		}
		n.attached[s.id] = attachment{s.at, s.attempt}
		s.known = n.id
		w.tell(s.client, s.at)
		return "ok"
	}, func(reply string) {
		s.busy = false
		if reply == "lost" && g.sessions[s.at] == s && len(s.frozen) == 0 {
			g.announce(s, again)
			return
		}
		g.released(s)
	})
}

// supersede tells a gateway that its session is not the one of the client's
// latest connection.
func (n *node) supersede(w *world, s *session, by attachment) {
	at := s.at
	w.send(n.id, s.gate.node.id, func(n *node) { n.gate.superseded(at, by) })
}

// astray says that the client will be told of what has come for a session by a
// new epoch, perhaps later than it gets what was sent to another place.
func (s *session) astray() {
	for _, data := range s.pushed {
		sender, seq := parsePayload(data)
		s.client.sends[sender][seq].astray = true
	}
	s.pushed = nil
}

// lonely counts what has come for a session that ends while its client is
// elsewhere and its actor, which has failed as well, does not know: nobody is
// told of that. It takes the deaths of two processes within seconds.
func (s *session) lonely() {
	w := s.gate.world
	for _, data := range s.pushed {
		sender, seq := parsePayload(data)
		if m := s.client.sends[sender][seq]; !m.received {
			w.sum["lonely"]++
			m.refused = true
		}
	}
}

// superseded is a session of which the actor knows another place.
func (g *gate) superseded(at uint64, by attachment) {
	s := g.sessions[at]
	if s == nil || s.attempt > by.attempt {
		return // the client has come back since
	}
	g.world.sum["superseded"]++
	g.cut[at] = true
	g.world.say("node %d: session %d of attempt %d is superseded by %+v", g.node.id, at, s.attempt, by)
	s.astray()
	g.closeConn(s.conn, edge.CodeReplaced)
	delete(g.sessions, at)
	g.run(g.table.Superseded(at, by.at, s.out.Next() > 0))
	g.released(s)
}

// order is a push that has come from its node.
func (g *gate) order(from placement.NodeID, at uint64, o handover.Order, s *sent) {
	if to := g.table.Where(at); to != 0 && o.Kind == handover.Push && g.world.chance(2) {
		g.world.send(g.node.id, from, func(n *node) { g.world.moved(n, at, to) })
	}
	if !g.table.Has(at) && g.sessions[at] == nil {
		s.refused = true
		return
	}
	if g.world.flaws.unheld && o.Kind == handover.Push && g.sessions[at] != nil {
		g.deliver(g.sessions[at], o)
		return
	}
	if g.cut[at] {
		s.astray = true
	}
	g.run(g.table.Direct(at, o))
}

// forwarded is an order that another gateway has passed on.
func (g *gate) forwarded(via placement.NodeID, from, at uint64, o handover.Order) {
	if !g.table.Has(at) && g.sessions[at] == nil {
		g.send(handover.Effect{Do: handover.Ended, Node: via, From: from, At: at})
		if o.Kind == handover.Push { // its sender is told, as of what comes directly
			g.world.refused(o, at, from)
		}
		return
	}
	g.run(g.table.Forwarded(at, o))
}

func (g *gate) deliver(s *session, o handover.Order) {
	w := g.world
	w.say("node %d: session %d gets %+v", g.node.id, s.at, o)
	switch o.Kind {
	case handover.Push:
		s.pushed = append(s.pushed, o.Frame.Data)
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
	w.sendOr(me, e.Node, func(n *node) {
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
	}, func(withSender bool) {
		// As of what is sent to a dead gateway, the client may already be elsewhere,
		// in a new epoch.
		if e.Do == handover.Forward && e.Order.Kind == handover.Push && !withSender {
			w.refused(e.Order, e.At, e.From)
		}
	})
}

// refused says that a push has come to where a session was.
func (w *world) refused(o handover.Order, places ...uint64) {
	sender, seq := parsePayload(o.Frame.Data)
	for _, c := range w.clients {
		if slices.ContainsFunc(places, func(at uint64) bool { return slices.Contains(c.places, at) }) {
			c.sends[sender][seq].refused = true
		}
	}
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
			if g.node.alive && len(w.live()) > 1 {
				if !g.table.Retiring() {
					w.sum["retired"] += g.table.Len()
				}
				w.kill(g.node)
			}
		})
	})
}
