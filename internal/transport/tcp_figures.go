package transport

import "sync/atomic"

// Figures are what a network has done since it was opened, and holds now.
type Figures struct {
	Connections int   // now
	Queued      int   // bytes that wait to be written, or for a peer to take them
	Made        int64 // connections, from either side
	Failed      int64 // dials that came to nothing
	Sent        int64 // bytes
	Received    int64 // bytes
}

// figures are the counters of all lives of a network.
type figures struct{ made, failed, sent, received atomic.Int64 }

// Figures reads the counters. It may be called at any time.
func (t *TCP) Figures() Figures {
	f := Figures{
		Made:     t.figures.made.Load(),
		Failed:   t.figures.failed.Load(),
		Sent:     t.figures.sent.Load(),
		Received: t.figures.received.Load(),
	}
	l := t.life.Load()
	if l == nil {
		return f
	}
	l.mu.RLock()
	conns := l.conns()
	l.mu.RUnlock()
	f.Connections = len(conns)
	for _, c := range conns {
		f.Queued += c.out.queued()
	}
	return f
}

// queued is how many bytes have not been taken yet.
func (o *outbox) queued() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.buf) + o.writing
}
