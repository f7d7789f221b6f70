package httpapi_test

import (
	"strings"
	"testing"

	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/httpapi"
	"github.com/mallee-io/mallee/malleetest"
)

// The same through a node and actors that keep state.
func TestGame(t *testing.T) {
	t.Parallel()
	h := newHandler(t, httpapi.Config{Caller: malleetest.Start(t, 1, game.Types()...).Node(0), Types: game.Types()})
	for _, c := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/actors/Player/1001/Give", `{"item":"sword","n":2}`, 200, `{"total":2}`},
		{"/actors/Player/1001/Player.Give", `{"item":"sword","n":1}`, 200, `{"total":3}`},
		{"/actors/Player/1001/Bag", ``, 200, `{"items":{"sword":3}}`},
		{"/actors/Participant/1001/Nickname", ``, 200, `{"result":"1001 (1 items)"}`},
		{"/actors/Player/1001/Hear", `{"line":"x"}`, 202, ``},
		{"/actors/Room/hall/Leave", `{"who":"Player/1001"}`, 204, ``},
	} {
		w := request(h, "POST", c.path, c.body)
		if w.Code != c.status || strings.TrimSpace(w.Body.String()) != c.want {
			t.Errorf("%s: %d %s, want %d %s", c.path, w.Code, w.Body, c.status, c.want)
		}
	}
	p := problemOf(t, request(h, "POST", "/actors/Player/1001/Give", `{"item":"sword","n":-1}`), 422)
	if p.Code != "game.bad_amount" || p.Actor != "Player/1001" || p.RetrySafe {
		t.Errorf("%+v", p)
	}
	if p := problemOf(t, request(h, "POST", "/actors/Room/hall/Leave", `{"who":"nobody"}`), 400); !strings.Contains(p.Detail, "no slash") {
		t.Errorf("%+v", p)
	}
}
