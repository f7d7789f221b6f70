package mallee_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
)

// chat is a room: what one of its clients says, all of them hear.
type chat struct {
	self    *mallee.Self
	clients *mallee.Group
}

func newChat(self *mallee.Self) *chat { return &chat{self, mallee.NewGroup(self)} }

var _ mallee.Client = (*chat)(nil)

func (c *chat) OnConnect(ctx context.Context, s mallee.Session, _ mallee.Arrival) error {
	_ = c.clients.Send(ctx, mallee.Text(s.User+" has come")) // an error would send the newcomer away
	c.clients.Join(s)
	return c.self.Send(ctx, mallee.Text(fmt.Sprintf("welcome, you are %d", c.clients.Len())), s)
}

func (c *chat) OnMessage(ctx context.Context, s mallee.Session, m mallee.Message) error {
	if string(m.Data) == "/quit" {
		return c.self.Kick(ctx, s, "as you wish")
	}
	return c.clients.Send(ctx, mallee.Text(s.User+": "+string(m.Data)))
}

func (c *chat) OnDisconnect(ctx context.Context, s mallee.Session, why mallee.DisconnectReason) error {
	return c.clients.Send(ctx, mallee.Text(fmt.Sprintf("%s has gone: %v", s.User, why))) // the group has let go of it
}

func ExampleClient() {
	n, err := node.Start(context.Background(), node.Config{Types: []mallee.Type{chatType()}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	ann := newVisitor(n, "ann") // a client of a gateway
	ann.says("is anybody here?")
	ann.leaves()
	fmt.Println(n.Stop(context.Background()))
	// Output:
	// ann hears "welcome, you are 1"
	// ann hears "ann: is anybody here?"
	// <nil>
}

func ExampleGroup() {
	n, err := node.Start(context.Background(), node.Config{Types: []mallee.Type{chatType()}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	ann := newVisitor(n, "ann")
	ben := newVisitor(n, "ben")
	ben.says("hello")
	ben.leaves()
	ann.leaves()
	fmt.Println(n.Stop(context.Background()))
	// Output:
	// ann hears "welcome, you are 1"
	// ann hears "ben has come"
	// ben hears "welcome, you are 2"
	// ann hears "ben: hello"
	// ben hears "ben: hello"
	// ann hears "ben has gone: closed"
	// <nil>
}

// A duel tells its two players, whose sessions are perhaps at different gateways.
func ExampleSelf_Send() {
	type duel struct {
		self    *mallee.Self
		players [2]mallee.Session
	}
	hit := func(ctx context.Context, d *duel, damage byte) error {
		return d.self.Send(ctx, mallee.Binary([]byte{damage}), d.players[:]...)
	}
	_ = hit // a method of the actor
}

// chatType is what mallee generate makes of an actor that has methods, too.
func chatType() mallee.Type {
	return mallee.NewType(mallee.Interface{Name: "Chat"}, func(self *mallee.Self) any { return newChat(self) })
}

// street is a gateway whose clients print what they hear.
type street struct {
	sessions.Gateway
	users map[uint64]string
}

func (s *street) Order(_ placement.NodeID, _ mallee.ID, order string, body []byte) {
	var push sessions.Push
	if order != sessions.OrderPush || push.Parse(body) != nil {
		return
	}
	for _, at := range push.Sessions {
		fmt.Printf("%s hears %q\n", s.users[at], push.Message.Data)
	}
}

// visitor is a client.
type visitor struct {
	is   mallee.Session
	chat sessions.MalleeSessionsRef
}

// newVisitor is ann, whose session is the first of the gateway, or ben.
func newVisitor(n *node.Node, user string) *visitor {
	users := map[uint64]string{sessions.At(n.ID(), 1): "ann", sessions.At(n.ID(), 2): "ben"}
	_, _ = n.AttachGateway(&street{users: users}) // ben finds it there
	at := sessions.At(n.ID(), 1)
	if users[at] != user {
		at++
	}
	v := &visitor{mallee.Session{ID: at, At: at, User: user}, sessions.MalleeSessionsAt(sessions.Through(n), mallee.ID{Type: "Chat", Key: "hall"})}
	if _, err := v.chat.Connect(context.Background(), v.is, mallee.Arrival{}, false); err != nil {
		fmt.Println(err)
	}
	return v
}

func (v *visitor) says(text string) {
	if err := v.chat.Message(context.Background(), v.is.ID, mallee.Text(text)); err != nil {
		fmt.Println(err)
	}
}

func (v *visitor) leaves() {
	if err := v.chat.Disconnect(context.Background(), v.is, mallee.DisconnectClosed); err != nil {
		fmt.Println(err)
	}
}
