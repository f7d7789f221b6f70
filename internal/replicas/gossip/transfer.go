package gossip

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/mallee-io/mallee/crdt"
)

// transfer is another node's whole state on its way here: entries, one part after
// the other, and then the batches which that node has seen since it gave the first
// of them. Who gives it keeps nothing for it. All is staged, and merged at once.
type transfer struct {
	from    Peer
	token   uint64
	staged  *Values    // nil before the first part
	began   crdt.Clock // of the first part
	after   string
	tail    bool
	until   crdt.Clock // tail: the batches are all here when these are
	tries   int        // questions without an answer
	askedAt time.Duration
}

const (
	fetchWait  = 200 * time.Millisecond // for an answer, twice as long each time
	fetchTries = 5                      // then another node is asked
)

// Fetch asks a node for its whole state, again and from others until it is here. It
// changes nothing while a transfer is under way.
func (m *Machine) Fetch(now time.Duration, from Peer) {
	if m.transfer == nil {
		m.restart(now, from)
	}
}

func (m *Machine) restart(now time.Duration, from Peer) {
	m.token++
	m.transfer = &transfer{from: from, token: m.token}
	m.ask(now)
}

func (m *Machine) ask(now time.Duration) {
	t := m.transfer
	f := fetch{token: t.token, tail: t.tail, after: t.after}
	if t.tail {
		f.clock = t.staged.Clock()
	}
	t.askedAt = now
	if m.member && m.peers[t.from] != nil {
		m.send(t.from, f.append(appendHeader(nil, kindFetch, m.id)))
	}
}

// retry asks again when no answer has come.
func (m *Machine) retry(now time.Duration) (next time.Duration) {
	t := m.transfer
	if t == nil {
		return now + digestIdle
	}
	due := t.askedAt + fetchWait<<t.tries
	if now < due {
		return due
	}
	if t.tries++; t.tries < fetchTries {
		m.ask(now)
	} else {
		m.restart(now, m.another(t.from))
	}
	return m.transfer.askedAt + fetchWait<<m.transfer.tries
}

// another is the next node that can be asked.
func (m *Machine) another(than Peer) Peer {
	i, found := slices.BinarySearch(m.order, than)
	if found {
		i++
	}
	if len(m.order) == 0 {
		return than
	}
	return m.order[i%len(m.order)]
}

// takeOffer: who offers has batches for this node that are not kept any more.
func (m *Machine) takeOffer(now time.Duration, from Peer, p *peer) {
	if r := m.rows[p.replica]; m.synced && r != nil && !m.clock.Includes(&r.clock) {
		m.Fetch(now, from)
	}
}

// serve gives a part of the whole state.
func (m *Machine) serve(now time.Duration, from Peer, rest []byte) error {
	var f fetch
	if err := f.parse(rest); err != nil || !m.synced {
		return err
	}
	m.seal(now)
	if f.tail {
		m.serveTail(from, &f)
		return nil
	}
	e := entries{token: f.token, after: f.after, before: m.clock}
	all, next, err := m.values.Entries(f.after, m.config.MaxMessage)
	if err != nil {
		return err
	}
	for i := range all {
		e.body = appendEntry(e.body, &all[i])
	}
	m.seal(now)
	e.next, e.until = next, m.clock
	m.send(from, e.append(appendHeader(nil, kindEntries, m.id)))
	return nil
}

func (m *Machine) serveTail(to Peer, f *fetch) {
	batches, ok := m.retained.since(&f.clock, &m.clock)
	k := kindTail
	if !ok || m.clock.ForgetsAny(&f.clock) {
		k, batches = kindAgain, nil
	}
	body := binary.AppendUvarint(appendHeader(nil, k, m.id), f.token)
	for i := range batches {
		if i > 0 && len(body)+batches[i].size() > m.config.MaxMessage {
			break
		}
		body = AppendBatch(body, &batches[i])
	}
	m.send(to, body)
}

// current reports whether an answer belongs to the question that was asked last.
func (t *transfer) current(from Peer, token uint64, tail bool) bool {
	return t != nil && t.from == from && t.token == token && t.tail == tail
}

func (m *Machine) takeEntries(now time.Duration, from Peer, rest []byte) error {
	var e entries
	if err := e.parse(rest); err != nil {
		return err
	}
	t := m.transfer
	if !t.current(from, e.token, false) || e.after != t.after {
		return nil
	}
	all, err := parseEntries(e.body)
	if err != nil {
		return err
	}
	if t.staged == nil {
		t.began, t.staged = e.before, NewStaged(&e.before)
	}
	if e.until.ForgetsAny(&t.began) {
		m.restart(now, from) // some entries have been read before, others after it
		return nil
	}
	if err := t.staged.Load(all); err != nil {
		m.restart(now, m.another(from))
		return err
	}
	t.tries, t.after = 0, e.next
	if e.next == "" {
		t.tail, t.until = true, e.until
		return m.advance(now)
	}
	m.ask(now)
	return nil
}

func (m *Machine) takeTail(now time.Duration, from Peer, rest []byte) error {
	token, rest, err := parseToken(rest)
	if err != nil {
		return err
	}
	t := m.transfer
	if !t.current(from, token, true) {
		return nil
	}
	batches, err := parseBatches(rest)
	if err != nil {
		return err
	}
	before := t.staged.Clock()
	for i := range batches {
		early, err := t.staged.Apply(&batches[i])
		if err == nil && early {
			err = errEarlyTail
		}
		if err != nil {
			m.restart(now, m.another(from))
			return err
		}
	}
	if after := t.staged.Clock(); before.Includes(&after) {
		return nil // an answer that came twice
	}
	t.tries = 0
	return m.advance(now)
}

var errEarlyTail = errors.New("the tail of a transfer is not in order")

func (m *Machine) takeAgain(now time.Duration, from Peer, rest []byte) error {
	token, _, err := parseToken(rest)
	if err == nil && m.transfer.current(from, token, true) {
		m.restart(now, from)
	}
	return err
}

// advance ends the transfer, if all is here.
func (m *Machine) advance(now time.Duration) error {
	t := m.transfer
	staged := t.staged.Clock()
	staged.Learn(&t.until)
	if !staged.Includes(&t.until) {
		m.ask(now)
		return nil
	}
	m.transfer = nil
	m.figures.Transfers++
	return m.Adopt(now, t.staged)
}

// Adopt takes in a whole state, of another node or of the store, which is as its clock
// says. It must not be used any more.
func (m *Machine) Adopt(now time.Duration, theirs *Values) error {
	clock := theirs.Clock()
	if err := m.learn(now, &clock); err != nil {
		return err
	}
	theirs.Learn(&m.clock)
	if err := m.values.Merge(theirs); err != nil {
		return err
	}
	if !m.synced {
		m.synced = true
		m.values.Begin(m.id)
	}
	m.push(now, m.values.Seal())
	m.clock = m.values.Clock()
	m.retained.jump(&m.clock)
	m.digestAt = min(m.digestAt, now)
	return m.takeEarly(now)
}
