package gateway_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/malleetest"
)

// hall tells all what one says.
type hall struct{ all *mallee.Group }

func hallType() mallee.Type {
	return mallee.NewType(mallee.Interface{Name: "Hall"}, func(self *mallee.Self) any { return hall{mallee.NewGroup(self)} })
}

func (h hall) OnConnect(_ context.Context, s mallee.Session, _ mallee.Arrival) error {
	h.all.Join(s)
	return nil
}

func (h hall) OnMessage(ctx context.Context, _ mallee.Session, m mallee.Message) error {
	return h.all.Send(ctx, m)
}

func (h hall) OnDisconnect(_ context.Context, s mallee.Session, _ mallee.DisconnectReason) error {
	h.all.Leave(s)
	return nil
}

// However many clients do not read, the others get what is sent to all.
func TestClientsThatDoNotReadHoldUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := open(t, malleetest.Start(t, 1, hallType()).Client())
		const many = 400
		clients := make([]*client, many)
		for i := range clients {
			clients[i] = dial(t, g, false)
			clients[i].say(`{"user":"u","actor":"a","type":"Hall"}`)
		}
		synctest.Wait()
		reads := func(i int) bool { return i%4 == 3 || i == many-1 }
		for i, c := range clients {
			c.stall(!reads(i))
		}
		begin := time.Now()
		for n := 1; n <= 3; n++ {
			clients[many-1].sayAll(n, n)
			for i, c := range clients {
				if reads(i) {
					c.hearsAll(n, n)
				}
			}
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("it took %v", took)
		}
		for i, c := range clients {
			if !reads(i) {
				c.stall(false)
				c.hearsAll(1, 3)
			}
		}
	})
}
