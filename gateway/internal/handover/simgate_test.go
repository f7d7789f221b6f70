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
	searches map[uint64]*search  // by session ID
	conns    []*conn
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
}

// search is the way to a session that is not here.
type search struct {
	id      uint64
	conn    *conn // of the client's latest attempt; nil: it has gone
	hello   edge.Hello
	to      uint64                    // where it will be, of the take
	from    placement.NodeID          // the gateway that is asked for it; 0: all are
	waiting map[placement.NodeID]bool // gateways that have not said yet whether they have it
	waits   []func()                  // takes of it by others
	round   int                       // of questions; older answers do not count
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
	return &gate{world: w, node: n, table: handover.NewTable(&w.holds), sessions: make(map[uint64]*session), searches: make(map[uint64]*search)}
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
	g.resume(k, hello, parseToken(hello.Resume.Token))
}

// resume looks for a session: here, then where its token says, then everywhere.
// Only when no gateway has it a new one begins, so that there never are two.
func (g *gate) resume(k *conn, hello edge.Hello, token simToken) {
	if s := g.find(token.id); s != nil {
		g.attach(s, k, hello, strconv.FormatUint(s.epoch, 10) == hello.Resume.Epoch)
		return
	}
	if f := g.searches[token.id]; f != nil {
		if f.hello.Resume.Attempt > hello.Resume.Attempt {
			g.closeConn(k, edge.CodeReplaced)
			return
		}
		g.closeConn(f.conn, edge.CodeReplaced)
		f.conn, f.hello = k, hello
		f.again() // who has waited may be late now
		return
	}
	f := &search{id: token.id, conn: k, hello: hello}
	g.searches[token.id] = f
	g.ask(f, token.at)
	// An answer that takes too long is not waited for.
	g.world.after(g.world.between(6*time.Second, 12*time.Second), func() {
		if g.searches[f.id] == f && g.node.alive {
			g.world.say("node %d gives up to look for session %d", g.node.id, f.id)
			g.drop(f, edge.CodeUnavailable)
		}
	})
}

// find looks for a session that is here.
func (g *gate) find(id uint64) *session {
	for _, at := range sortedKeys(g.sessions) {
		if s := g.sessions[at]; s.id == id {
			return s
		}
	}
	return nil
}

// drop ends a search without a session.
func (g *gate) drop(f *search, code edge.Code) {
	delete(g.searches, f.id)
	g.untake(f)
	g.closeConn(f.conn, code)
	f.again()
}

// again answers those that wait for the session.
func (f *search) again() {
	waits := f.waits
	f.waits = nil
	for _, do := range waits {
		do()
	}
}

func (g *gate) untake(f *search) {
	f.round++
	if f.to != 0 {
		g.run(g.table.Ended(f.to))
		f.to = 0
	}
}

// question asks another gateway. The answer comes unless that one dies.
func (g *gate) question(f *search, to placement.NodeID, ask func(other *gate, reply func(answer []byte)), done func(answer []byte)) {
	w, round := g.world, f.round
	w.send(g.node.id, to, func(n *node) {
		ask(n.gate, func(answer []byte) {
			w.send(n.id, g.node.id, func(*node) {
				if g.searches[f.id] == f && f.round == round {
					done(answer)
				}
			})
		})
	})
}

// ask asks for the session at a place.
func (g *gate) ask(f *search, at uint64) {
	for g.table.Where(at) != 0 {
		at = g.table.Where(at)
	}
	if f.from = handover.NodeOf(at); f.from == g.node.id || g.node.lost[f.from] {
		g.everywhere(f)
		return
	}
	f.to = g.newAt()
	g.table.Taking(f.to, at)
	g.world.say("node %d takes %d as %d", g.node.id, at, f.to)
	r := f.hello.Resume
	token := parseToken(r.Token)
	body := must((&handover.Take{Session: f.id, At: at, To: f.to, Epoch: token.epoch, Received: r.Received, Attempt: r.Attempt}).Append(nil))
	g.question(f, f.from, func(other *gate, reply func([]byte)) {
		var q handover.Take
		if err := q.Parse(body); err != nil {
			panic(err)
		}
		other.take(q, func(a handover.Taken) { reply(must(a.Append(nil))) })
	}, func(answer []byte) {
		var a handover.Taken
		if err := a.Parse(answer); err != nil {
			panic(err)
		}
		g.taken(f, a)
	})
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// everywhere asks all gateways whether they have the session.
func (g *gate) everywhere(f *search) {
	g.untake(f)
	f.from, f.waiting = 0, make(map[placement.NodeID]bool)
	for _, n := range g.world.live() {
		if n != g.node && !g.node.lost[n.id] {
			f.waiting[n.id] = true
		}
	}
	g.world.sum["searches"]++
	for _, id := range sortedKeys(f.waiting) {
		g.question(f, id, func(other *gate, reply func([]byte)) {
			at, late := other.has(f.id, f.hello.Resume.Attempt)
			reply(binary.AppendUvarint([]byte{map[bool]byte{true: 1}[late]}, at))
		}, func(answer []byte) {
			at, _ := binary.Uvarint(answer[1:])
			switch {
			case answer[0] != 0:
				g.drop(f, edge.CodeReplaced)
			case at != 0:
				f.round++
				g.world.sum["found"]++
				g.ask(f, at)
			default:
				g.hasNot(f, id)
			}
		})
	}
	g.hasNot(f, 0)
}

func (g *gate) hasNot(f *search, node placement.NodeID) {
	if delete(f.waiting, node); len(f.waiting) > 0 {
		return
	}
	if f.conn == nil {
		g.drop(f, 0) // nobody waits for it
		return
	}
	g.found(f, g.create(f.conn.client, f.id, g.newAt()))
}

// has answers where a session is that is here, has gone from here, or is about
// to come. Late says that its client has come here since. So only later attempts
// wait for earlier ones.
func (g *gate) has(id, attempt uint64) (at uint64, late bool) {
	if s := g.find(id); s != nil {
		return s.at, false
	}
	f := g.searches[id]
	switch {
	case f == nil:
		return g.table.Given(id), false
	case f.hello.Resume.Attempt > attempt:
		return 0, true
	case f.to != 0:
		return f.to, false
	}
	g.drop(f, edge.CodeReplaced)
	return g.table.Given(id), false
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
	if f := g.searches[q.Session]; f != nil && f.to == q.At {
		if f.hello.Resume.Attempt > q.Attempt && !w.flaws.late {
			answer(handover.Taken{Late: true})
			return
		}
		f.waits = append(f.waits, func() { g.take(q, answer) })
		return
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
	g.table.Give(s.id, q.At, q.To)
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

// taken is the answer of the other gateway.
func (g *gate) taken(f *search, a handover.Taken) {
	w, r := g.world, a.Record
	switch {
	case a.Late:
		g.drop(f, edge.CodeReplaced)
	case a.Gone != 0:
		w.say("node %d is told that session %d has gone to %d", g.node.id, f.id, a.Gone)
		g.untake(f)
		g.ask(f, a.Gone)
	case r == nil:
		g.everywhere(f)
	default:
		w.sum["taken"]++
		s := g.create(simToken{id: f.id}.client(w), f.id, f.to)
		s.epoch, s.over = r.Epoch, r.Epoch == 0
		s.began = w.began(s.epoch)
		s.out = stream.RestoreOut(&w.bounds, r.Out, w.now)
		s.in = stream.RestoreIn(&w.waits, r.Received, r.Waiting, w.now)
		g.run(g.table.Taken(f.to))
		g.found(f, s)
	}
}

// found ends a search with a session.
func (g *gate) found(f *search, s *session) {
	delete(g.searches, f.id)
	s.attempt = f.hello.Resume.Attempt
	if f.conn == nil {
		s.out.Detach()
	} else {
		g.attach(s, f.conn, f.hello, strconv.FormatUint(s.epoch, 10) == f.hello.Resume.Epoch)
	}
	g.announce(s, true)
	f.again()
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
	for _, f := range g.searches {
		if f.conn == k {
			f.conn = nil
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

// end is the end of a session whose client has not come: if it comes, a new one
// begins.
func (g *gate) end(s *session) {
	g.world.say("node %d: session %d ends", g.node.id, s.at)
	delete(g.sessions, s.at)
	g.run(g.table.Ended(s.at))
	for _, do := range s.frozen {
		do()
	}
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
			g.acknowledge(s)
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

func (g *gate) acknowledge(s *session) {
	if s.conn == nil || !s.out.Told() {
		return
	}
	if n, due := s.in.Ack(3); due {
		g.write(s.conn, edge.KindAck, binary.AppendUvarint(nil, n))
	}
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
		if old := n.attached[s.id]; old != 0 && old != s.at {
			w.learn(n, old, s.at)
		}
		n.attached[s.id] = s.at
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
	g.world.say("node %d: %d gets %s directly, route %v", g.node.id, at, told(o), g.table.Has(at))
	g.run(g.table.Direct(at, o))
}

// told is an order as the story tells it.
type told handover.Order

func (o told) String() string {
	switch o.Kind {
	case handover.Push:
		if o.Frame == nil { // of an effect without an order
			return ""
		}
		sender, seq := parsePayload(o.Frame.Data)
		return fmt.Sprintf("message %d of sender %d", seq, sender)
	case handover.Missing:
		return fmt.Sprintf("%d missing of node %d", o.Missing, o.Origin)
	case handover.Unknown:
		return fmt.Sprintf("unknown of node %d", o.Origin)
	case handover.Marker:
		return fmt.Sprintf("marker of node %d", o.Origin)
	}
	return ""
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
	w.say("node %d: session %d gets %s", g.node.id, s.at, told(o))
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
		if e.Do == handover.Refuse {
			if e.Order.Kind == handover.Push {
				g.world.refused(e.Order, e.At)
			}
		} else if e.Do != handover.Deliver {
			g.send(e)
		} else if s := g.sessions[e.At]; s != nil {
			g.deliver(s, e.Order)
		}
	}
}

// send carries out what goes to other nodes.
func (g *gate) send(e handover.Effect) {
	w, me := g.world, g.node.id
	w.say("node %d to %d: %s %d to %d %s", me, e.Node, [...]string{"deliver", "refuse", "forward", "flush", "ended", "retire", "retired"}[e.Do], e.From, e.At, told(e.Order))
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
	for _, id := range sortedKeys(g.searches) {
		switch f := g.searches[id]; {
		case f == nil:
		case f.from == dead:
			g.everywhere(f)
		case f.waiting[dead]:
			g.hasNot(f, dead)
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
