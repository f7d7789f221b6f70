package malleetest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/malleetest"
)

func TestInvokeJSON(t *testing.T) {
	t.Parallel()
	ann := mallee.ID{Type: "Player", Key: "ann"}
	malleetest.Each(t, game.Types(), func(t *testing.T, c *malleetest.Cluster) {
		client := c.Node(0) // of the type's own node where there is one, which calls itself
		for _, call := range []struct{ iface, method, args, want string }{
			{"Player", "Give", `["sword", 2]`, `{"total":2}`},
			{"", "Give", `{"n": 1, "item": "sword"}`, `{"total":3}`},
			{"", "Bag", ``, `{"items":{"sword":3}}`},
			{"Participant", "Nickname", `[]`, `{"result":"ann (1 items)"}`},
			{"", "Hear", `["hello"]`, `{}`},
		} {
			got, err := client.InvokeJSON(t.Context(), ann, call.iface, call.method, []byte(call.args))
			if err != nil || string(got) != call.want {
				t.Errorf("%s %s: %s, %v", call.method, call.args, got, err)
			}
		}
		for _, call := range []struct {
			iface, method, args string
			want                *mallee.Error
			text                string
		}{
			{"", "Take", `[]`, mallee.ErrNotFound, "there are Echo, Give, "},
			{"Guild", "Give", `[]`, mallee.ErrNotFound, "does not serve interface Guild"},
			{"", "Give", `["sword"]`, mallee.ErrInvalid, "expected 2 (item, n), got 1"},
			{"", "Give", `{"item":"sword"}`, mallee.ErrInvalid, "n: is missing"},
			{"", "Give", `{"item":"sword","n":1,"N":2}`, mallee.ErrInvalid, "N: is unknown"},
			{"", "Give", `["sword","two"]`, mallee.ErrInvalid, "string does not fit int"},
			{"", "Give", `"sword"`, mallee.ErrInvalid, "expected an array or an object"},
			{"", "Give", `[`, mallee.ErrInvalid, "not JSON"},
		} {
			_, err := client.InvokeJSON(t.Context(), ann, call.iface, call.method, []byte(call.args))
			if !errors.Is(err, call.want) || !mallee.SafeToRetry(err) || !strings.Contains(err.Error(), call.text) {
				t.Errorf("%s %s: %v", call.method, call.args, err)
			}
		}
	})
}
