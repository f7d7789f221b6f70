package browsertest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// patience is an upper bound for what a busy machine may take.
const patience = time.Minute

// pollEvery is how often a page is looked at.
const pollEvery = 50 * time.Millisecond

// page is a window of a browser in which somebody plays.
type page struct {
	t    *testing.T
	ctx  context.Context
	name string
	held string // key
}

// newBrowser starts a browser, which ends with the test.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox,  // the pages are ours
		chromedp.DisableGPU, // there is none: what stands in for it is slow
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.WindowSize(1280, 800))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// play opens the arena in a window of its own.
func play(t *testing.T, browser context.Context, arena, name string, hue int) *page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx); err != nil { // the window lives as long as the context of its first run
		t.Fatal(err)
	}
	p := &page{t: t, ctx: ctx, name: name}
	query := url.Values{"name": {name}, "hue": {fmt.Sprint(hue)}, "field": {"test"}}
	p.run(chromedp.EmulateViewport(1280, 800), chromedp.Navigate(arena+"?"+query.Encode()+"#play"))
	p.await("the game has begun", `document.body.dataset.state === "playing" && arena.own !== undefined && arena.frame !== undefined`)
	return p
}

func (p *page) run(actions ...chromedp.Action) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.t.Fatalf("page of %s: %v", p.name, err)
	}
}

// evaluate returns what an expression in the page is.
func evaluate[T any](p *page, expression string) (value T) {
	p.t.Helper()
	p.run(chromedp.Evaluate(expression, &value))
	return value
}

// await waits until an expression in the page is true.
func (p *page) await(what, expression string) {
	p.t.Helper()
	for end := time.Now().Add(patience); !evaluate[bool](p, expression); time.Sleep(pollEvery) {
		if time.Now().After(end) {
			p.t.Fatalf("page of %s: it is not so that %s; the page is %s", p.name, what, evaluate[string](p, state))
		}
	}
}

// state is an expression: what the page knows, for people.
const state = `JSON.stringify([document.body.dataset.state, document.getElementById("refused").textContent, arena])`

// ship is an expression: the row of somebody's ship as this page knows it.
func ship(name string) string {
	return fmt.Sprintf(`arena.frame.s.find((row) => row[0] === arena.field.ships.find((s) => s.name === %q)?.id)`, name)
}

// score is somebody's as this page shows it.
func (p *page) score(name string) int { return evaluate[int](p, "("+ship(name)+")[5]") }

// seed is an expression: the key that leads to the nearest seed.
const seed = `(() => {
	const me = arena.frame.s.find((row) => row[0] === arena.own);
	const far = (e) => Math.hypot(e[1] - me[1], e[2] - me[2]);
	const near = arena.frame.e.reduce((a, b) => far(a) < far(b) ? a : b);
	const x = near[1] - me[1], y = near[2] - me[2];
	return Math.abs(x) > Math.abs(y) ? (x > 0 ? "ArrowRight" : "ArrowLeft") : (y > 0 ? "ArrowDown" : "ArrowUp");
})()`

// hold presses a key, and lets go of the one before.
func (p *page) hold(key string) {
	p.t.Helper()
	if key == p.held {
		return
	}
	if p.held != "" {
		p.run(input.DispatchKeyEvent(input.KeyUp).WithCode(p.held).WithKey(p.held))
	}
	if key != "" {
		p.run(input.DispatchKeyEvent(input.KeyDown).WithCode(key).WithKey(key))
	}
	p.held = key
}

// collect flies from seed to seed until the other page shows a higher score.
func (p *page) collect(other *page) {
	p.t.Helper()
	before := other.score(p.name)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		p.hold(evaluate[string](p, seed))
		if other.score(p.name) > before {
			p.hold("")
			return
		}
		time.Sleep(30 * time.Millisecond) // a player's reaction
	}
	p.t.Fatalf("%s has collected nothing that %s sees", p.name, other.name)
}

// crosses flies in a direction until the other page sees that.
func (p *page) crosses(other *page) {
	p.t.Helper()
	x := evaluate[int](other, "("+ship(p.name)+")[1]")
	key := "ArrowRight"
	if x > 800 {
		key = "ArrowLeft"
	}
	p.hold(key)
	other.await(p.name+" moves", fmt.Sprintf("Math.abs((%s)?.[1] - %d) > 100", ship(p.name), x))
	p.hold("")
}

// front brings the page before others: it draws nothing behind them.
func (p *page) front() {
	p.t.Helper()
	p.run(cdppage.BringToFront())
}

// screenshot keeps what the page shows, for people.
func (p *page) screenshot(name string) {
	p.t.Helper()
	var png []byte
	p.run(chromedp.Sleep(time.Second), chromedp.CaptureScreenshot(&png))
	path := filepath.Join(p.t.ArtifactDir(), name)
	if err := os.WriteFile(path, png, 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.t.Logf("%s has %d bytes", path, len(png))
}
