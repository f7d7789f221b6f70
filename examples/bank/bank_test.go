package bank_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/bank"
	"github.com/mallee-io/mallee/malleetest"
)

func open(t *testing.T, c mallee.Caller, key string, amount bank.Cents) {
	t.Helper()
	account := bank.AccountOf(c, key)
	if err := account.Open(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if _, err := account.Deposit(t.Context(), "start", amount); err != nil {
		t.Fatal(err)
	}
}

func balance(t *testing.T, c mallee.Caller, key string) bank.Cents {
	t.Helper()
	b, err := bank.AccountOf(c, key).Balance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTransfers(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, bank.Types(), func(t *testing.T, c *malleetest.Cluster) {
		ctx, n := t.Context(), c.Client()
		open(t, n, "ann", 1000)
		open(t, n, "bob", 1)
		for _, test := range []struct {
			key, from, to string
			amount        bank.Cents
			want          bank.Status
			err           error
			ann, bob      bank.Cents
		}{
			{"1", "ann", "bob", 300, bank.StatusDone, nil, 700, 301},
			{"1", "ann", "bob", 300, bank.StatusDone, nil, 700, 301},
			{"1", "ann", "bob", 301, bank.StatusNone, bank.ErrReused, 700, 301},
			{"2", "ann", "bob", 701, bank.StatusRefused, nil, 700, 301},
			{"3", "ann", "eve", 100, bank.StatusReturned, nil, 700, 301},
			{"3", "ann", "eve", 100, bank.StatusReturned, nil, 700, 301},
			{"4", "eve", "ann", 100, bank.StatusRefused, nil, 700, 301},
			{"5", "ann", "bob", 0, bank.StatusNone, bank.ErrAmount, 700, 301},
			{"6", "ann", "ann", 1, bank.StatusNone, mallee.ErrInvalid, 700, 301},
		} {
			got, err := bank.TransferOf(n, test.key).Run(ctx, test.from, test.to, test.amount)
			if got != test.want || !errors.Is(err, test.err) {
				t.Errorf("transfer %s: %q, %v; want %q, %v", test.key, got, err, test.want, test.err)
			}
			if a, b := balance(t, n, "ann"), balance(t, n, "bob"); a != test.ann || b != test.bob {
				t.Errorf("after transfer %s ann has %d and bob %d; want %d and %d", test.key, a, b, test.ann, test.bob)
			}
		}
		lines, err := bank.AccountOf(n, "ann").Statement(ctx, 2, 10)
		if err != nil {
			t.Fatal(err)
		}
		want := "[{2 start 1000 1000} {3 transfer 1 -300 700} {4 transfer 3 -100 600} {5 transfer 3 returned 100 700}]"
		if fmt.Sprint(lines) != want {
			t.Errorf("statement %v, want %s", lines, want)
		}
	})
}

// Interest comes every month, though nobody touches the account.
func TestInterest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 1, bank.Types()...)
		open(t, c.Node(0), "ann", 100_000)
		time.Sleep(time.Hour)
		before := balance(t, c.Node(0), "ann")
		c.Stop(0)
		time.Sleep(3 * 30 * 24 * time.Hour) // the bank was closed, and pays for each of the months
		c.Restart(0)
		time.Sleep(time.Minute)
		if after := balance(t, c.Node(0), "ann"); before != 100_000 || after != 100_600 {
			t.Errorf("%d became %d", before, after)
		}
	})
}

// Transfers whose nodes die end by themselves, and no cent is lost or made.
func TestTransfersOutliveNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, bank.Types()...)
		const accounts, transfers, start = 5, 60, 1000
		for i := range accounts {
			open(t, c.Client(), fmt.Sprint(i), start)
		}
		for i := range transfers {
			go func() {
				// Who is told an error does nothing about it.
				_, _ = bank.TransferOf(c.Client(), fmt.Sprint(i)).Run(t.Context(), fmt.Sprint(i%accounts), fmt.Sprint((i*3+1)%accounts), bank.Cents(1+i))
			}()
			if i%10 == 9 {
				victim := i / 10 % c.Size()
				c.Kill(victim)
				time.Sleep(10 * time.Second)
				c.Restart(victim)
			}
		}
		time.Sleep(5 * time.Minute)
		total := bank.Cents(0)
		for i := range accounts {
			total += balance(t, c.Client(), fmt.Sprint(i))
		}
		if total != accounts*start {
			t.Errorf("there were %d, now there are %d", accounts*start, total)
		}
		for i := range transfers {
			s, err := bank.TransferOf(c.Client(), fmt.Sprint(i)).Status(t.Context())
			if err != nil || s != bank.StatusNone && !s.Ended() {
				t.Errorf("transfer %d: %q, %v", i, s, err)
			}
		}
	})
}
