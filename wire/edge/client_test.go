package edge_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/wire/edge"
)

// gateway is the other end of a session, as small as it can be: it keeps a few
// messages for a client that comes back.
type gateway struct {
	epoch  int
	begun  int      // number of the first message of the epoch
	pushed int      // messages for the client, in all epochs
	ring   []uint32 // the last of them, of the epoch
	told   int      // pushed at least this far to this connection
	arrive []uint32 // what has come from the client, in all epochs
	since  int      // what of it was before the epoch
}

func (g *gateway) name() string { return strconv.Itoa(g.epoch) }

// pair is a client, a gateway and what is on its way between them.
type pair struct {
	t      *rapid.T
	client *edge.Client
	gate   gateway
	up     []edge.Data
	down   []edge.Data

	sent    uint32   // by the client's user
	got     []uint32 // by the client's user
	missed  uint64   // and what it was told of
	unknown bool
	unsure  uint64
}

const ringSize = 4

func number(n uint32) edge.Data {
	return edge.Data{Kind: edge.KindBinary, Payload: binary.BigEndian.AppendUint32(nil, n)}
}

func (p *pair) control(kind edge.Kind, payload any) {
	encoded, err := json.Marshal(payload)
	if err != nil {
		p.t.Fatal(err)
	}
	p.down = append(p.down, edge.Data{Kind: kind, Payload: encoded})
}

// connect cuts what there is and begins a connection, to a gateway that may
// have forgotten the session.
func (p *pair) connect(forgotten bool) {
	p.up, p.down = nil, nil
	hello := p.client.Begin(json.RawMessage(`{}`))
	g := &p.gate
	welcome := edge.Welcome{Session: "1", Token: "t"}
	// The client may not have seen the welcome of the last epoch.
	if hello.Resume == nil || forgotten || hello.Resume.Epoch != g.name() {
		g.epoch++
		g.begun, g.since, g.ring = g.pushed, len(g.arrive), nil
	} else {
		welcome.Resumed = true
		welcome.Received = uint64(len(g.arrive) - g.since)
	}
	welcome.Epoch = g.name()
	p.control(edge.KindWelcome, welcome)
	g.told = g.begun
	if welcome.Resumed {
		g.told += int(hello.Resume.Received)
	}
	p.flush()
}

// flush writes what the client does not have, and what it has missed.
func (p *pair) flush() {
	g := &p.gate
	oldest := g.pushed - len(g.ring)
	if g.told < oldest {
		p.control(edge.KindLost, edge.Lost{Count: uint64(oldest - g.told)})
		g.told = oldest
	}
	for ; g.told < g.pushed; g.told++ {
		p.down = append(p.down, number(g.ring[g.told-oldest]))
	}
}

func (p *pair) push(connected bool) {
	g := &p.gate
	g.pushed++
	g.ring = append(g.ring, uint32(g.pushed))
	if len(g.ring) > ringSize {
		g.ring = g.ring[1:]
	}
	if connected {
		p.flush()
	}
}

func (p *pair) write() {
	for d, ok := p.client.Next(); ok; d, ok = p.client.Next() {
		p.up = append(p.up, d)
	}
	if n, due := p.client.Ack(2); due {
		p.up = append(p.up, edge.Data{Kind: edge.KindAck, Payload: edge.AppendAck(nil, n)})
	}
}

func (p *pair) arrive() {
	if len(p.up) == 0 {
		return
	}
	g := &p.gate
	d := p.up[0]
	p.up = p.up[1:]
	if d.Kind == edge.KindAck {
		n, err := edge.ParseAck(d.Payload)
		if err != nil || n > uint64(g.pushed-g.begun) {
			p.t.Fatalf("acknowledged %d of %d: %v", n, g.pushed-g.begun, err)
		}
		return
	}
	g.arrive = append(g.arrive, binary.BigEndian.Uint32(d.Payload))
	p.down = append(p.down, edge.Data{Kind: edge.KindAck, Payload: edge.AppendAck(nil, uint64(len(g.arrive)-g.since))})
}

func (p *pair) read() {
	if len(p.down) == 0 {
		return
	}
	d := p.down[0]
	p.down = p.down[1:]
	event, err := p.client.Read(d.Kind, d.Payload)
	if err != nil {
		p.t.Fatal(err)
	}
	if event.Data.Kind != 0 {
		p.got = append(p.got, binary.BigEndian.Uint32(event.Data.Payload))
	}
	if event.Lost != nil {
		p.missed += event.Lost.Count
		p.unsure += event.Lost.Sent
		p.unknown = p.unknown || event.Lost.Unknown
	}
}

func rising(numbers []uint32) bool {
	for i := 1; i < len(numbers); i++ {
		if numbers[i] <= numbers[i-1] {
			return false
		}
	}
	return true
}

// Whatever is cut and forgotten: each side gets what the other has sent in
// order, nothing twice, and the client hears of everything that is missing.
func TestNothingIsLostInSilence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := &pair{t: t, client: edge.NewClient(8, 1<<20)}
		p.connect(false)
		p.read() // what comes before the first welcome is of a session that the client has not had
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			switch rapid.IntRange(0, 8).Draw(t, "step") {
			case 0, 1:
				if p.client.Send(number(p.sent+1)) == nil {
					p.sent++
				}
			case 2:
				p.write()
			case 3, 4:
				p.arrive()
			case 5:
				p.push(rapid.Bool().Draw(t, "connected"))
			case 6, 7:
				p.read()
			case 8:
				p.connect(rapid.IntRange(0, 4).Draw(t, "forgotten") == 0)
			}
		}
		p.connect(false)
		for round := 0; round < 3 || len(p.up)+len(p.down) > 0; round++ {
			p.read()
			p.write()
			p.arrive()
			p.flush()
		}
		if !rising(p.gate.arrive) || !rising(p.got) {
			t.Fatalf("twice, or out of order: up %v, down %v", p.gate.arrive, p.got)
		}
		if missing := uint64(p.sent) - uint64(len(p.gate.arrive)); missing > p.unsure {
			t.Fatalf("%d messages have not arrived; the client knows of %d", missing, p.unsure)
		}
		if missing := uint64(p.gate.pushed - len(p.got)); missing != p.missed && !p.unknown {
			t.Fatalf("%d messages have not come; the client knows of %d", missing, p.missed)
		}
	})
}

func TestSendIsBounded(t *testing.T) {
	t.Parallel()
	c := edge.NewClient(2, 10)
	large := edge.Data{Kind: edge.KindText, Payload: make([]byte, 100)}
	if err := c.Send(large); err != nil {
		t.Fatal("a large message alone:", err)
	}
	if err := c.Send(large); !errors.Is(err, edge.ErrFull) {
		t.Fatal("more than the bound was taken:", err)
	}
}

// A gateway that talks nonsense costs the connection, no more.
func FuzzClientRead(f *testing.F) {
	f.Add(byte(2), `{"epoch":"a","token":"t"}`, byte(5), "\x00")
	f.Add(byte(2), `{"epoch":"a","resumed":true}`, byte(6), `{"count":3}`)
	f.Add(byte(8), "", byte(10), `{"code":4000}`)
	f.Fuzz(func(t *testing.T, kind1 byte, payload1 string, kind2 byte, payload2 string) {
		c := edge.NewClient(4, 100)
		if err := c.Send(number(1)); err != nil {
			t.Fatal(err)
		}
		c.Begin(nil)
		for _, d := range []edge.Data{{Kind: edge.Kind(kind1), Payload: []byte(payload1)}, {Kind: edge.Kind(kind2), Payload: []byte(payload2)}} {
			var wrong *edge.Violation
			if _, err := c.Read(d.Kind, d.Payload); err != nil && !errors.As(err, &wrong) {
				t.Fatalf("not a *Violation: %v", err)
			}
			c.Next()
			c.Ack(1)
		}
	})
}
