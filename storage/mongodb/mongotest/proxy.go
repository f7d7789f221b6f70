package mongotest

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Handler stands between a client and the server. It is called with each
// command, and returns the reply to it: that of forward, which asks the
// server, or one of its own. It may wait before it does either. Without a
// reply it cuts the connection. forward returns nil if the server does not
// answer. Handlers run side by side, one at a time for each connection.
type Handler func(command bson.Raw, forward Forward) (reply bson.Raw)

// Forward asks the server.
type Forward func(command bson.Raw) (reply bson.Raw)

// Name of a command, such as "find", and the collection that it is for.
func Name(command bson.Raw) (name, collection string) {
	first, err := command.IndexErr(0)
	if err != nil {
		return "", ""
	}
	collection, _ = first.Value().StringValueOK()
	return first.Key(), collection
}

// Pass is the handler that changes nothing.
func Pass(command bson.Raw, forward Forward) bson.Raw { return forward(command) }

// Proxy listens for clients of a server and hands their commands to a Handler.
// The first message of each connection, and those that only ask whether the
// server is there, may go past it.
type Proxy struct {
	Address string
	handle  Handler

	mu       sync.Mutex // guards what follows
	backend  string
	listener net.Listener // nil while the proxy is down
	open     map[net.Conn]bool
}

// NewProxy starts a proxy, which ends with the test.
func NewProxy(t testing.TB, backend string, handle Handler) *Proxy {
	t.Helper()
	p := &Proxy{Address: "127.0.0.1:0", backend: backend, handle: handle, open: make(map[net.Conn]bool)}
	p.Up(t)
	t.Cleanup(p.Down)
	return p
}

// Up listens again after Down, at the same address.
func (p *Proxy) Up(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", p.Address)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.listener, p.Address = l, l.Addr().String()
	p.mu.Unlock()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
}

// Down cuts all connections and refuses new ones.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	for c := range p.open {
		_ = c.Close()
	}
}

// SetBackend says where the server is now.
func (p *Proxy) SetBackend(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.backend = address
}

// keep remembers a connection, so that Down can cut it.
func (p *Proxy) keep(c net.Conn) (backend string, up bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[c] = true
	return p.backend, p.listener != nil
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	_ = c.Close()
}

func (p *Proxy) serve(client net.Conn) {
	backend, up := p.keep(client)
	defer p.drop(client)
	if !up {
		return
	}
	server, err := net.Dial("tcp", backend)
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // it is only read and written here
	for p.answer(client, server) == nil {
	}
}

const (
	headerSize = 16
	opMessage  = 2013
)

// answer deals with one message of the client.
func (p *Proxy) answer(client, server net.Conn) error {
	message, err := readMessage(client)
	if err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(message[12:]) != opMessage {
		return exchange(client, server, message)
	}
	command, err := decodeMessage(message)
	if err != nil {
		return err
	}
	id := binary.LittleEndian.Uint32(message[4:])
	reply := p.handle(command, func(command bson.Raw) bson.Raw {
		if _, err := server.Write(encodeMessage(id, 0, command)); err != nil {
			return nil
		}
		answer, err := readMessage(server)
		if err != nil {
			return nil
		}
		reply, err := decodeMessage(answer)
		if err != nil {
			return nil
		}
		return reply
	})
	if reply == nil {
		return errors.New("no reply")
	}
	_, err = client.Write(encodeMessage(0, id, reply))
	return err
}

// exchange passes a message of the older protocol, in which clients greet.
func exchange(client, server net.Conn, message []byte) error {
	if _, err := server.Write(message); err != nil {
		return err
	}
	answer, err := readMessage(server)
	if err != nil {
		return err
	}
	_, err = client.Write(answer)
	return err
}

func readMessage(c net.Conn) ([]byte, error) {
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(c, header); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(header)
	if size < headerSize || size > 64<<20 {
		return nil, errors.New("impossible length of a message")
	}
	message := make([]byte, size)
	copy(message, header)
	_, err := io.ReadFull(c, message[headerSize:])
	return message, err
}

// encodeMessage makes a message of one section, with no flags: the server
// answers it once.
func encodeMessage(id, answers uint32, body bson.Raw) []byte {
	b := make([]byte, 0, headerSize+5+len(body))
	b = binary.LittleEndian.AppendUint32(b, uint32(headerSize+5+len(body)))
	b = binary.LittleEndian.AppendUint32(b, id)
	b = binary.LittleEndian.AppendUint32(b, answers)
	b = binary.LittleEndian.AppendUint32(b, opMessage)
	b = binary.LittleEndian.AppendUint32(b, 0)
	return append(append(b, 0), body...)
}

// decodeMessage makes one document of a message's sections: documents that
// stand apart become an array in the command.
func decodeMessage(message []byte) (bson.Raw, error) {
	const checksum = 1
	end := len(message)
	if binary.LittleEndian.Uint32(message[headerSize:])&checksum != 0 {
		end -= 4
	}
	var body, apart bson.D
	for rest := message[headerSize+4 : end]; len(rest) > 0; {
		kind := rest[0]
		size := int(binary.LittleEndian.Uint32(rest[1:]))
		section := rest[1 : 1+size]
		rest = rest[1+size:]
		if kind == 0 {
			if err := bson.Unmarshal(section, &body); err != nil {
				return nil, err
			}
			continue
		}
		sequence, err := decodeSequence(section[4:])
		if err != nil {
			return nil, err
		}
		apart = append(apart, sequence)
	}
	return bson.Marshal(append(body, apart...))
}

func decodeSequence(section []byte) (bson.E, error) {
	for i, c := range section {
		if c != 0 {
			continue
		}
		e := bson.E{Key: string(section[:i])}
		documents := bson.A{}
		for rest := section[i+1:]; len(rest) > 0; {
			size := binary.LittleEndian.Uint32(rest)
			documents = append(documents, bson.Raw(rest[:size]))
			rest = rest[size:]
		}
		e.Value = documents
		return e, nil
	}
	return bson.E{}, errors.New("a section without a name")
}
