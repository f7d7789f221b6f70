package bank_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee/examples/bank"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/storage/pebble"
)

const (
	killDir      = "MALLEE_TEST_BANK_DIR"
	killLife     = "MALLEE_TEST_BANK_LIFE"
	killAccounts = 6
	killStart    = bank.Cents(10_000)
	killTellers  = 8
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		fmt.Println(runBank(dir, os.Getenv(killLife)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// order is a transfer. The process that is killed prints one as JSON before it
// runs it, and again with its status when that was answered.
type order struct {
	Key, From, To string
	Amount        bank.Cents
	Status        bank.Status
}

// runBank is the process that is killed.
func runBank(dir, life string) error {
	n, closeBank, err := startBank(dir)
	if err != nil {
		return err
	}
	defer closeBank()
	failed := make(chan error)
	for teller := range killTellers {
		go func() { failed <- transferUntilKilled(n, fmt.Sprint(life, "-", teller)) }()
	}
	return <-failed
}

func startBank(dir string) (*node.Node, func(), error) {
	store, err := pebble.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	n, err := node.Start(context.Background(), node.Config{Types: bank.Types(), Store: store})
	if err != nil {
		return nil, nil, err
	}
	for i := range killAccounts {
		account := bank.AccountOf(n, fmt.Sprint(i))
		if err := account.Open(context.Background(), "somebody"); err != nil {
			return nil, nil, err
		}
		if _, err := account.Deposit(context.Background(), "start", killStart); err != nil {
			return nil, nil, err
		}
	}
	return n, func() { _, _ = n.Stop(context.Background()), store.Close() }, nil
}

func transferUntilKilled(n *node.Node, name string) error {
	for i := 0; ; i++ {
		// Some go to an account that does not exist and come back.
		o := order{Key: fmt.Sprint(name, "-", i), From: fmt.Sprint(rand.IntN(killAccounts)), To: fmt.Sprint(rand.IntN(killAccounts + 1)), Amount: bank.Cents(1 + rand.IntN(5000))}
		if o.From == o.To {
			continue
		}
		if err := say(o); err != nil {
			return err
		}
		var err error
		if o.Status, err = bank.TransferOf(n, o.Key).Run(context.Background(), o.From, o.To, o.Amount); err != nil {
			return fmt.Errorf("transfer %+v: %w", o, err)
		}
		if err := say(o); err != nil {
			return err
		}
	}
}

func say(o order) error {
	line, err := json.Marshal(o)
	if err == nil {
		_, err = os.Stdout.Write(append(line, '\n')) // one write to the pipe for each line
	}
	return err
}

// A bank that is killed again and again, at any moment, and at last asked how
// each transfer went that was ever ordered: what was answered is so, money
// moved once or not at all, and the statements tell of it.
func TestKill(t *testing.T) {
	t.Parallel()
	kills := 10
	if n, err := strconv.Atoi(os.Getenv("MALLEE_TEST_KILLS")); err == nil {
		kills = n
	}
	if testing.Short() {
		kills = 2
	}
	dir, orders, answers := t.TempDir(), map[string]order{}, 0
	for life := range kills {
		answers += killBank(t, dir, life, orders)
	}
	n, closeBank, err := startBank(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeBank()
	want := make(map[string]bank.Cents)
	moves := make(map[string]int) // lines that the statements must have, by account and operation
	for i := range killAccounts {
		want[fmt.Sprint(i)] = killStart
	}
	for _, o := range orders {
		status, err := bank.TransferOf(n, o.Key).Run(t.Context(), o.From, o.To, o.Amount)
		if err != nil || !status.Ended() || o.Status != bank.StatusNone && o.Status != status {
			t.Errorf("transfer %+v: now %q, %v", o, status, err)
		}
		switch status {
		case bank.StatusDone:
			want[o.From] -= o.Amount
			want[o.To] += o.Amount
			moves[o.From+" transfer "+o.Key]++
			moves[o.To+" transfer "+o.Key]++
		case bank.StatusReturned:
			moves[o.From+" transfer "+o.Key]++
			moves[o.From+" transfer "+o.Key+" returned"]++
		}
	}
	for account, b := range want {
		if got := balance(t, n, account); got != b {
			t.Errorf("account %s has %d, want %d", account, got, b)
		}
		checkStatement(t, n, account, b, moves)
	}
	for move, n := range moves {
		t.Errorf("%q is missing in a statement %d times", move, n)
	}
	t.Logf("%d kills, %d transfers, %d answered", kills, len(orders), answers)
}

// killBank runs a bank for a while, kills it and notes what it said.
func killBank(t *testing.T, dir string, life int, orders map[string]order) (answers int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), killDir+"="+dir, killLife+"="+strconv.Itoa(life))
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reader sync.WaitGroup
	first := make(chan struct{})
	reader.Go(func() {
		once := sync.OnceFunc(func() { close(first) })
		defer once()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var o order
			if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
				t.Errorf("the bank says %q", lines.Text())
				return
			}
			orders[o.Key] = o
			if o.Status != bank.StatusNone {
				answers++
				once()
			}
		}
	})
	<-first // it is open now; the moment of its end is random
	time.Sleep(time.Duration(rand.IntN(100_000)) * time.Microsecond)
	_ = cmd.Process.Kill()
	reader.Wait()
	_ = cmd.Wait()
	return answers
}

func checkStatement(t *testing.T, n *node.Node, account string, balance bank.Cents, moves map[string]int) {
	t.Helper()
	sum := bank.Cents(0)
	for next := int64(1); ; {
		lines, err := bank.AccountOf(n, account).Statement(t.Context(), next, 500)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			sum += line.Amount
			if line.Number != next || line.Balance != sum {
				t.Fatalf("account %s: line %+v after %d lines that add up to %d", account, line, next-1, sum)
			}
			next++
			if !strings.HasPrefix(line.Operation, "transfer ") {
				continue
			}
			move := account + " " + line.Operation
			if moves[move]--; moves[move] < 0 {
				t.Errorf("%q is in the statement too often", move)
			} else if moves[move] == 0 {
				delete(moves, move)
			}
		}
		if len(lines) == 0 {
			break
		}
	}
	if sum != balance {
		t.Errorf("the statement of account %s adds up to %d, want %d", account, sum, balance)
	}
}
