package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire"
)

// Control frames are the connection's own. They have no body, and their metas
// begin as those of messages do:
//
//	dialer → hello;  acceptor → welcome or refusal;  dialer → ready
//
// The layout of these is the same in all versions. Nothing else is sent before
// ready: a dialer that has changed its mind leaves no trace.
const (
	controlHello   = 64 + iota // cluster, from, to, 1 when the sender takes no requests
	controlWelcome             // 1 when the sender takes no requests
	controlRefusal             // 1 when the acceptor's own dial goes first, reason
	controlReady
	controlPing
	controlClosing // send no more requests
	controlClosed  // none will come behind this
)

// maxHandshakeFrame is the longest frame before a peer is known, in bytes.
const maxHandshakeFrame = 4 << 10

func controlMeta(kind byte) []byte { return []byte{metaMark, metaVersion, kind} }

func isControl(meta []byte) bool {
	return len(meta) > metaKind && meta[0] == metaMark && meta[1] == metaVersion && meta[metaKind] >= controlHello
}

type hello struct {
	cluster  string
	from, to placement.NodeID
	closed   bool
}

func (h *hello) meta() []byte {
	b := appendText(controlMeta(controlHello), h.cluster)
	b = binary.AppendUvarint(b, uint64(h.from))
	b = binary.AppendUvarint(b, uint64(h.to))
	return appendBool(b, h.closed)
}

// refusal is the error of a dialer whom the acceptor has sent away.
type refusal struct {
	crossed bool
	reason  string
}

func (r *refusal) Error() string { return r.reason }

func (r *refusal) meta() []byte {
	return appendText(appendBool(controlMeta(controlRefusal), r.crossed), r.reason)
}

func welcomeMeta(closed bool) []byte { return appendBool(controlMeta(controlWelcome), closed) }

func parseHello(meta []byte) (hello, error) {
	if err := checkMeta(meta); err != nil {
		return hello{}, err
	}
	if meta[metaKind] != controlHello {
		return hello{}, fmt.Errorf("a connection begins with kind %d instead of a hello", meta[metaKind])
	}
	r := metaReader{rest: meta[metaKind+1:]}
	h := hello{r.text(), placement.NodeID(r.uvarint()), placement.NodeID(r.uvarint()), r.bool()}
	return h, r.err
}

// parseWelcome answers whether the acceptor takes no requests, or its refusal.
func parseWelcome(meta []byte) (closed bool, err error) {
	if len(meta) <= metaKind || meta[0] != metaMark {
		return false, checkMeta(meta)
	}
	r := metaReader{rest: meta[metaKind+1:]}
	switch {
	case meta[metaKind] == controlRefusal: // of whatever version
		refused := &refusal{r.bool(), r.text()}
		if r.err != nil {
			return false, r.err
		}
		return false, refused
	case meta[1] != metaVersion:
		return false, checkMeta(meta)
	case meta[metaKind] != controlWelcome:
		return false, fmt.Errorf("a hello is answered by kind %d", meta[metaKind])
	}
	closed = r.bool()
	return closed, r.err
}

func writeFrame(to net.Conn, meta []byte) error {
	frame, err := wire.AppendFrame(nil, meta, nil)
	if err == nil {
		_, err = to.Write(frame)
	}
	return err
}

// greet is the dialer's side up to the welcome.
func greet(c *conn, f *frames, h *hello) (closed bool, err error) {
	if err := writeFrame(c, h.meta()); err != nil {
		return false, err
	}
	meta, _, _, err := f.next()
	if err != nil {
		return false, fmt.Errorf("no answer to the hello: %w", err)
	}
	return parseWelcome(meta)
}

// readReady is the acceptor's last step.
func readReady(f *frames) error {
	meta, _, _, err := f.next()
	if err != nil {
		return err
	}
	if !isControl(meta) || meta[metaKind] != controlReady {
		return errors.New("a welcome is not answered by ready")
	}
	return nil
}

// judge says why a dialer is sent away whatever else there is.
func (l *life) judge(h *hello) error {
	switch {
	case h.cluster != l.config.Cluster:
		return fmt.Errorf("node %s belongs to cluster %q, and node %s to cluster %q", h.from, h.cluster, l.node, l.config.Cluster)
	case h.to != l.node:
		return fmt.Errorf("node %s is looked for, and node %s is here", h.to, l.node)
	case h.from == l.node:
		return fmt.Errorf("both ends are node %s", l.node)
	}
	return nil
}
