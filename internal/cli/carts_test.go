package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mallee-io/mallee/examples/shoppingcart"
	"github.com/mallee-io/mallee/examples/shoppingcart/stock"
	"github.com/mallee-io/mallee/internal/cli"
	"github.com/mallee-io/mallee/internal/procs"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/storage/etcd"
)

// patience bounds what has to happen; nothing is measured by it.
const patience = time.Minute

// The shopping cart as a program of its own, with what serves it.
func TestCarts(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program, and waits for leases, which takes ten seconds")
	}
	t.Parallel()
	program := filepath.Join(t.TempDir(), "cart.exe") // Windows wants the name so
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../examples/shoppingcart/go").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	t.Run("dev", func(t *testing.T) { t.Parallel(); testDev(t, program) })
	t.Run("dev ends with the function", func(t *testing.T) { t.Parallel(); testDevEndsWithFunction(t, program) })
	t.Run("dev finds a port", func(t *testing.T) { t.Parallel(); testDevFindsPort(t, program) })
	t.Run("killed", func(t *testing.T) { t.Parallel(); testKilled(t, program) })
}

// dev runs mallee dev until its test is over, or stop.
type dev struct {
	out, errOut    *output
	stop           context.CancelFunc
	code           chan int
	function, http string
}

var devLine = regexp.MustCompile(`serving the user function at (\S+): (http://\S+) `)

func startDev(t *testing.T, args ...string) *dev {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	d := &dev{out: newOutput(), errOut: newOutput(), stop: stop, code: make(chan int, 1)}
	go func() {
		d.code <- cli.Run(ctx, append([]string{"dev", "--http", "127.0.0.1:0", "--data", "memory:"}, args...), cli.Streams{In: strings.NewReader(""), Out: d.out, Err: d.errOut})
	}()
	t.Cleanup(func() { stop(); <-d.code })
	for d.http == "" {
		select {
		case <-d.out.written:
			if m := devLine.FindStringSubmatch(d.out.String()); m != nil {
				d.function, d.http = m[1], m[2]
			}
		case code := <-d.code:
			close(d.code)
			t.Fatalf("exit %d\n%s%s", code, d.out, d.errOut)
		}
	}
	return d
}

// end is Ctrl-C.
func (d *dev) end() (code int) {
	d.stop()
	code = <-d.code
	close(d.code)
	return code
}

// Ctrl-C ends the entities before the function, which they speak with, and then
// the function.
func testDev(t *testing.T, program string) {
	addrs, err := procs.FreeAddrs(1)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addrs[0])
	d := startDev(t, "--port", port, "--", program)
	if d.function != addrs[0] || !strings.Contains(d.errOut.String(), "shopping carts at "+addrs[0]) { // HOST and PORT have reached it
		t.Errorf("it prints\n%s%s", d.out, d.errOut)
	}
	if err := overHTTP(t.Context(), d.http, "ann", "tea"); err != nil {
		t.Error(err)
	}
	if code := d.end(); code != 0 || strings.Contains(d.errOut.String(), "WARN") || strings.Contains(d.errOut.String(), "mallee: ") {
		t.Errorf("exit %d\n%s%s", code, d.out, d.errOut)
	}
	if l, err := net.Listen("tcp", addrs[0]); err != nil {
		t.Errorf("the function still runs: %v", err)
	} else {
		_ = l.Close()
	}
}

func testDevEndsWithFunction(t *testing.T, program string) {
	code, _, stderr := run(t, "dev", "--http", "127.0.0.1:0", "--data", "memory:", "--", program, "-nothing")
	if code != 1 || !strings.Contains(stderr, "cart.exe has ended: exit status 2") || !strings.Contains(stderr, "flag provided but not defined: -nothing") {
		t.Errorf("it never serves: exit %d\n%s", code, stderr)
	}
	code, _, stderr = run(t, "dev", "--data", "memory:", "--", program+".none")
	if code != 1 || !strings.Contains(stderr, "cart.exe.none") {
		t.Errorf("no program: exit %d\n%s", code, stderr)
	}
	if code, _, stderr = run(t, "dev"); code != 2 || !strings.Contains(stderr, "mallee dev -- CMD") {
		t.Errorf("no command: exit %d\n%s", code, stderr)
	}
}

func testDevFindsPort(t *testing.T, program string) {
	if l, err := net.Listen("tcp", "127.0.0.1:8080"); err == nil { // else somebody else has it
		t.Cleanup(func() { _ = l.Close() })
	}
	d := startDev(t, "--", program)
	if strings.HasSuffix(d.function, ":8080") {
		t.Errorf("it serves %s", d.function)
	}
	if err := overHTTP(t.Context(), d.http, "ann", "tea"); err != nil {
		t.Error(err)
	}
}

// overHTTP puts one of a product into a cart.
func overHTTP(ctx context.Context, url, user, product string) error {
	body := bytes.NewBufferString(fmt.Sprintf(`{"productId":%q,"name":%q,"quantity":1}`, product, product))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/cart/"+user+"/items/add", body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, text)
	}
	return err
}

// shop is a placement driver, two sidecars, each with a user function, and a
// node with the stock, which carts tell what they hold.
type shop struct {
	t         *testing.T
	dir       string
	program   string
	pd        string
	functions [2]*procs.Process
	sidecars  [2]*procs.Process
	addrs     [2][3]string // of the function, for clients, of the sidecar's health
	conns     [2]*grpc.ClientConn
	native    *node.Node
}

func newShop(t *testing.T, program string) *shop {
	t.Helper()
	addrs, err := procs.FreeAddrs(8)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{t: t, dir: t.TempDir(), program: program, pd: addrs[6]}
	s.ready(s.start(procs.Spec{
		Name: "pd", Args: []string{"pd", "--listen", s.pd, "--peer-listen", addrs[7], "--data-dir", filepath.Join(s.dir, "pd"), "--lease-ttl", "4s"},
		Ready: procs.HTTPReady("http://" + s.pd + "/readyz"),
	}))
	for i := range s.addrs {
		copy(s.addrs[i][:], addrs[3*i:])
		s.function(i)
		s.sidecar(i)
	}
	for i, p := range s.sidecars {
		s.ready(p)
		if s.conns[i], err = grpc.NewClient("passthrough:///"+s.addrs[i][1], grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.conns[i].Close() })
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	store, err := etcd.Open(ctx, etcd.Config{Endpoints: []string{s.pd}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if s.native, err = node.Start(ctx, node.Config{Name: "stock", PD: []string{s.pd}, Store: store, Types: stock.Types(), Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.native.Abort)
	return s
}

func (s *shop) start(spec procs.Spec) *procs.Process {
	s.t.Helper()
	spec.Dir, spec.Env = s.dir, append(noSettings(), spec.Env...)
	p, err := procs.Start(spec)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		p.Kill()
		if s.t.Failed() {
			lines, _ := procs.Tail(p.Log(), 20)
			s.t.Logf("%s:\n%s", p.Name(), strings.Join(lines, "\n"))
		}
	})
	return p
}

func (s *shop) ready(p *procs.Process) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := p.Wait(ctx); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) function(i int) {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(s.addrs[i][0])
	s.functions[i] = s.start(procs.Spec{Name: fmt.Sprint("function", i), Path: s.program, Args: []string{"-stock"}, Env: []string{"HOST=" + host, "PORT=" + port}})
}

func (s *shop) sidecar(i int) {
	s.t.Helper()
	s.sidecars[i] = s.start(procs.Spec{
		Name: fmt.Sprint("sidecar", i),
		Args: []string{
			"sidecar", "--name", fmt.Sprint("sidecar", i), "--pd", s.pd, "--store", "etcd://" + s.pd,
			"--function", s.addrs[i][0], "--http", s.addrs[i][1], "--management", s.addrs[i][2], "--metrics", "127.0.0.1:0",
		},
		Ready: procs.HTTPReady("http://" + s.addrs[i][2] + "/ready"),
	})
}

// shopper fills carts, a cart until it does not know what is in it.
type shopper struct {
	shop  *shop
	name  string
	done  atomic.Int64 // products that were acknowledged
	calls int          // chooses the door
	carts []*cart
}

type cart struct {
	user  string
	holds []string
	doubt string // may be there too
}

func (s *shopper) run(ctx context.Context) {
	for number := 0; ctx.Err() == nil; number++ {
		c := &cart{user: fmt.Sprint(s.name, "-", number)}
		s.carts = append(s.carts, c)
		for n := 0; n < 50 && c.doubt == "" && ctx.Err() == nil; n++ {
			product := fmt.Sprint(c.user, "-", n)
			if err := s.put(c, product); err != nil {
				c.doubt = product
				time.Sleep(20 * time.Millisecond) // what has failed at once would fail again
				continue
			}
			c.holds = append(c.holds, product)
			s.done.Add(1)
		}
	}
}

// put puts one of a product into a cart: over HTTP and gRPC by either sidecar,
// and by a reference in Go.
func (s *shopper) put(c *cart, product string) error {
	ctx, cancel := context.WithTimeout(s.shop.t.Context(), patience)
	defer cancel()
	in := &shoppingcart.AddLineItem{UserId: c.user, ProductId: product, Name: product, Quantity: 1}
	door, side := s.calls%3, s.calls/3%2
	s.calls++
	var err error
	switch door {
	case 0:
		err = overHTTP(ctx, "http://"+s.shop.addrs[side][1], c.user, product)
	case 1:
		_, err = shoppingcart.NewShoppingCartClient(s.shop.conns[side]).AddItem(ctx, in)
	default:
		_, err = shoppingcart.ShoppingCartOf(s.shop.native, c.user).AddItem(ctx, in)
	}
	return err
}

// check reads all carts, and asks the stock.
func (s *shopper) check(ctx context.Context) error {
	for _, c := range s.carts {
		contents, err := shoppingcart.ShoppingCartOf(s.shop.native, c.user).GetCart(ctx, &shoppingcart.GetShoppingCart{UserId: c.user})
		if err != nil {
			return err
		}
		want, items := c.holds, contents.GetItems()
		if c.doubt != "" && len(items) > len(want) {
			want = append(want, c.doubt)
		}
		if len(items) != len(want) {
			return fmt.Errorf("cart %s has %d items, want %d", c.user, len(items), len(want))
		}
		for i, item := range items {
			if item.GetProductId() != want[i] || item.GetQuantity() != 1 {
				return fmt.Errorf("cart %s has %v, want one %s", c.user, item, want[i])
			}
			if err := s.reserved(ctx, want[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// reserved waits until the stock was told: what a cart has not had an answer for
// is told again.
func (s *shopper) reserved(ctx context.Context, product string) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		r, err := stock.StockOf(s.shop.native, product).Count(ctx, &stock.Product{ProductId: product})
		if err != nil || r.GetQuantity() == 1 {
			return err
		}
		if r.GetQuantity() > 1 {
			return fmt.Errorf("%d of %s are reserved", r.GetQuantity(), product)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is not reserved: %w", product, ctx.Err())
		}
	}
}

// Sidecars and user functions that are killed lose nothing that was
// acknowledged, and what they have recorded for others arrives.
func testKilled(t *testing.T, program string) {
	s := newShop(t, program)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var shopping sync.WaitGroup
	shoppers := make([]*shopper, 6)
	for i := range shoppers {
		shoppers[i] = &shopper{shop: s, name: fmt.Sprint("shopper", i)}
		shopping.Go(func() { shoppers[i].run(ctx) })
	}
	t.Cleanup(func() { stop(); shopping.Wait() })
	goOn := func() {
		t.Helper()
		again := time.NewTicker(10 * time.Millisecond)
		defer again.Stop()
		end := time.Now().Add(patience)
		for i, shopper := range shoppers {
			for want := shopper.done.Load() + 10; shopper.done.Load() < want; <-again.C {
				if time.Now().After(end) {
					t.Fatalf("shopper %d has stopped after %d products", i, shopper.done.Load())
				}
			}
		}
	}
	goOn()
	s.sidecars[0].Kill()
	goOn()
	s.sidecar(0)
	s.ready(s.sidecars[0])
	goOn()
	s.functions[1].Kill()
	waits := procs.HTTPReady("http://" + s.addrs[1][2] + "/ready")
	for waits(t.Context(), nil) == nil && t.Context().Err() == nil {
	}
	s.function(1)
	s.ready(s.sidecars[1])
	goOn()
	stop()
	shopping.Wait()
	stopping, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.sidecars[0].Stop(stopping); err != nil {
		t.Error(err)
	}
	checked := make(chan error, len(shoppers))
	for _, shopper := range shoppers {
		go func() { checked <- shopper.check(stopping) }()
	}
	var errs error
	for range shoppers {
		errs = errors.Join(errs, <-checked)
	}
	if errs != nil {
		t.Error(errs)
	}
	total := int64(0)
	for _, shopper := range shoppers {
		total += shopper.done.Load()
	}
	t.Logf("%d products", total)
}
