package browsertest_test

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/mallee-io/mallee/client/internal/clienttest"
	"github.com/mallee-io/mallee/client/ts"
)

//go:embed page.html
var page []byte

// patience bounds waits that end at once unless something is wrong.
const patience = 2 * time.Minute

// browser starts a Chromium, by the names that it has on different systems.
func browser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "headless-shell"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("needs Chromium or Chrome")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WSURLReadTimeout(patience))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which root cannot have
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// visit opens the page of a world.
func visit(t *testing.T, world *clienttest.World) *tab {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("GET /client/", http.StripPrefix("/client/", http.FileServerFS(ts.Files())))
	mux.Handle("POST /", world.Handler())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	b := &tab{t, browser(t)}
	ready := chromedp.Poll(`document.title === "ready"`, nil, chromedp.WithPollingTimeout(patience))
	if err := chromedp.Run(b.ctx, chromedp.Navigate(server.URL), ready); err != nil {
		t.Fatal(err)
	}
	return b
}

// tab is a page in the browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// run runs the body of an async function, which ends with "return …", and fails
// unless it returns the wanted value, as JSON.
func (b *tab) run(want, body string, args ...any) {
	b.t.Helper()
	encoded := make([]any, len(args))
	for i, a := range args {
		text, err := json.Marshal(a)
		if err != nil {
			b.t.Fatal(err)
		}
		encoded[i] = text
	}
	script := "(async () => JSON.stringify(await (async () => {" + fmt.Sprintf(body, encoded...) + "})()))()"
	var got string
	await := func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
	if err := chromedp.Run(b.ctx, chromedp.Evaluate(script, &got, await)); err != nil {
		b.t.Fatalf("%s: %v", body, err)
	}
	if got != want {
		b.t.Fatalf("%s: %s, not %s", body, got, want)
	}
}

const echo = `
	window.session = join(%s, "browser", %s);
	session.client.send("Grüße");
	session.client.send(bytes("00ff"));
	return [await session.next(), [...await session.next()]];`

const numbers = `
	const got = [];
	for (let i = 0; i < 200; i++) {
		session.client.send(String(i));
		if (i %% 50 === 25) await fetch("/cut", { method: "POST" });
		got.push(await session.next());
	}
	return got.every((m, i) => m === String(i));`

func TestBrowser(t *testing.T) {
	t.Parallel()
	world := clienttest.Start(t, 2)
	b := visit(t, world)
	b.run(`["Grüße",[0,255]]`, echo, world.Gates[0].URL(), struct{}{})
	b.run("true", numbers)
	b.run(`{"code":4200,"reason":"enough","action":"stop"}`, `session.client.send("kick enough"); return session.ended;`)
}

func TestWebTransport(t *testing.T) {
	t.Parallel()
	world := clienttest.Start(t, 1)
	gate := world.Gates[0]
	b := visit(t, world)
	web := "https://" + gate.QUIC.String() + "/play"
	b.run(`["Grüße",[0,255]]`, echo, web, map[string]string{"hash": gate.Hash()})
	b.run("60000", `session.client.send(new Uint8Array(60000)); return (await session.next()).length;`)
	b.run(`{"code":4200,"reason":"enough","action":"stop"}`, `session.client.send("kick enough"); return session.ended;`)
}

// Where UDP does not get through, the client takes the next URL.
func TestFallback(t *testing.T) {
	t.Parallel()
	world := clienttest.Start(t, 1)
	b := visit(t, world)
	closed, err := net.ListenPacket("udp", "127.0.0.1:0") // and nobody answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closed.Close() })
	urls := []string{"https://" + closed.LocalAddr().String() + "/play", world.Gates[0].URL()}
	b.run(`["Grüße",[0,255]]`, echo, urls, struct{}{})
}
