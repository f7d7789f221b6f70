package main

import (
	"context"
	"testing"
	"time"
)

// Every server of the suites websocket and gateway answers.
func TestWebSocketServers(t *testing.T) {
	t.Parallel()
	for _, e := range append(websocketEntrants(), gatewayEntrants()...) {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			c := e.make()
			if err := c.Start(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			clients, err := c.(wsServer).dial("echo", 3)
			if err != nil {
				t.Fatal(err)
			}
			for i, client := range clients {
				if err := client.echo(i); err != nil {
					t.Error(err)
				}
			}
			if err := c.Stop(context.Background()); err != nil {
				t.Error("stop:", err)
			}
		})
	}
}

// Small ones of what the suite measures.
func TestGatewayBenchesMeasure(t *testing.T) {
	t.Parallel()
	for _, b := range []bench{apart(wsEchoes(2)), wsFanOut(100), gatewayResume(10)} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			m := new(malleeGateway)
			if err := m.Start(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			got, err := b.measure(t.Context(), m, time.Second) // long enough for a machine that is busy
			if err != nil || got.Value <= 0 || got.Failed > 0 {
				t.Errorf("measured %+v, %v", got, err)
			}
			if err := m.Stop(context.Background()); err != nil {
				t.Error("stop:", err)
			}
		})
	}
}
