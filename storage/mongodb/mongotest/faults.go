package mongotest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/mongodb"
)

// tap meets one of the commands that a store sends.
type tap struct {
	mu   sync.Mutex
	left int // commands until the one that is met; 0: none is
	meet Handler
}

// arm has the nth command from now on dealt with by meet.
func (p *tap) arm(n int, meet Handler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.meet = n, meet
}

// met reports whether the command has come since arm, and disarms.
func (p *tap) met() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.left
	p.left = 0
	return was == 0
}

func (p *tap) handle(command bson.Raw, forward Forward) bson.Raw {
	switch name, _ := Name(command); name {
	case "find", "insert", "update", "delete", "create", "commitTransaction":
		if meet := p.next(); meet != nil {
			return meet(command, forward)
		}
	}
	return forward(command)
}

func (p *tap) next() Handler {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		return nil
	}
	if p.left--; p.left == 0 {
		return p.meet
	}
	return nil
}

// operations of which each is tried with each of its commands disturbed.
var operations = map[string]struct {
	setup bool // there is a row already
	op    func(key storage.Key, version uint64) storage.Op
}{
	"new":    {false, func(k storage.Key, v uint64) storage.Op { return storage.Put(k, []byte(`"zombie"`), v) }},
	"over":   {true, func(k storage.Key, v uint64) storage.Op { return storage.Put(k, []byte(`"zombie"`), v) }},
	"delete": {true, storage.Delete},
}

// everyCommand calls try with n = 1, 2, ... for each operation, until it
// reports that the operation has no nth command.
func everyCommand(t *testing.T, s storage.Store, try func(t *testing.T, n int, key storage.Key, op storage.Op) (more bool)) {
	t.Helper()
	for name, o := range operations {
		for n := 1; ; n++ {
			key := storage.Key{Table: "faults", Key1: fmt.Sprint(name, n), Key2: "x"}
			// another row was the last to be written, or this one
			other := key
			other.Key2 = "y"
			apply(t, s, 1, storage.Put(other, []byte("0"), 0))
			version := uint64(0)
			if o.setup {
				version = apply(t, s, 1, storage.Put(key, []byte(`"first"`), 0))[0]
			}
			if !try(t, n, key, o.op(key, version)) {
				if n < 4 {
					t.Errorf("%s has %d commands only", name, n-1)
				}
				break
			}
		}
	}
}

// A writer sleeps between any two of its steps, and meanwhile a new owner
// takes the actor over: reads, writes, deletes and writes again. Whatever the
// sleeper does when it wakes up, the new owner's row stays as it is.
func testZombie(t *testing.T, db database) {
	if db.server.Transactions {
		t.Skip("a transaction has no steps that could be seen")
	}
	owner := db.open(t)
	var tap tap
	zombie, _ := db.through(t, tap.handle)
	apply(t, zombie, 1, storage.Put(storage.Key{Table: "faults", Key1: "warm"}, []byte("0"), 0))
	everyCommand(t, owner, func(t *testing.T, n int, key storage.Key, op storage.Op) bool {
		asleep, wake := make(chan struct{}), make(chan struct{})
		tap.arm(n, func(command bson.Raw, forward Forward) bson.Raw {
			close(asleep)
			<-wake
			return forward(command)
		})
		type outcome struct {
			versions []uint64
			err      error
		}
		ended := make(chan outcome, 1)
		go func() {
			versions, err := zombie.Apply(t.Context(), 1, op)
			ended <- outcome{versions, err}
		}()
		select {
		case <-asleep:
		case o := <-ended:
			tap.met()
			if o.err != nil {
				t.Errorf("%s: %v", key, o.err)
			}
			return false
		}
		over, first := take(t, owner, key, `"owner"`)
		apply(t, owner, 2, storage.Delete(key, first))
		last := apply(t, owner, 2, storage.Put(key, []byte(`"owner again"`), 0))[0]
		if n%2 == 0 { // and with a deletion as the last word
			apply(t, owner, 2, storage.Delete(key, last))
		}
		close(wake)
		o := <-ended
		switch {
		case o.err == nil && o.versions[0] != over:
			t.Errorf("command %d of %s: the write was acknowledged as version %d, and the owner took version %d over", n, key, o.versions[0], over)
		case o.err != nil && !storage.WasRefused(o.err):
			t.Errorf("command %d of %s: %v", n, key, o.err)
		}
		row, err := owner.Get(t.Context(), key)
		if n%2 == 0 {
			if !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("command %d of %s: a deleted row came back: %+v, %v", n, key, row, err)
			}
		} else if err != nil || row.Version != last || row.Epoch != 2 || string(row.Value) != `"owner again"` {
			t.Errorf("command %d of %s: %+v, %v", n, key, row, err)
		}
		return true
	})
}

// take writes a value over whatever is there, of version over, in epoch 2.
func take(t *testing.T, s storage.Store, key storage.Key, value string) (over, version uint64) {
	t.Helper()
	for {
		row, err := s.Get(t.Context(), key)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			t.Fatal(err)
		}
		versions, err := s.Apply(t.Context(), 2, storage.Put(key, []byte(value), row.Version))
		if err == nil {
			return row.Version, versions[0]
		}
		if !errors.Is(err, storage.ErrConflict) {
			t.Fatal(err)
		}
	}
}

// A command gets lost with its connection before the server has seen it.
func testLostRequests(t *testing.T, db database) {
	testLost(t, db, func(bson.Raw, Forward) bson.Raw { return nil })
}

// A command is done, and its reply gets lost with the connection.
func testLostReplies(t *testing.T, db database) {
	testLost(t, db, func(command bson.Raw, forward Forward) bson.Raw {
		forward(command)
		return nil
	})
}

func testLost(t *testing.T, db database, lose Handler) {
	s := db.open(t)
	var tap tap
	writer, _ := db.through(t, tap.handle)
	apply(t, writer, 1, storage.Put(storage.Key{Table: "faults", Key1: "warm"}, []byte("0"), 0))
	unknown := 0
	everyCommand(t, s, func(t *testing.T, n int, key storage.Key, op storage.Op) bool {
		tap.arm(n, lose)
		_, err := writer.Apply(t.Context(), 1, op)
		if !tap.met() {
			if err != nil {
				t.Errorf("%s: %v", key, err)
			}
			return false
		}
		if err != nil {
			unknown++
			if storage.WasRefused(err) || !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("command %d of %s was lost: %v", n, key, err)
			}
		} else if row, err := s.Get(t.Context(), key); op.Delete != errors.Is(err, storage.ErrNotFound) || !op.Delete && string(row.Value) != string(op.Value) {
			t.Errorf("command %d of %s was lost, and so was the write: %+v, %v", n, key, row, err)
		}
		_, version := take(t, s, key, "2") // the next owner goes on
		if row, err := s.Get(t.Context(), key); err != nil || row.Version != version || string(row.Value) != "2" {
			t.Errorf("command %d of %s: %+v, %v", n, key, row, err)
		}
		return true
	})
	if unknown == 0 && !db.server.Transactions {
		t.Error("no write failed")
	}
}

// A server that does not answer cannot hold a call longer than its deadline.
func testSilence(t *testing.T, db database) {
	var tap tap
	s, _ := db.through(t, tap.handle)
	apply(t, s, 1, storage.Put(player, []byte("1"), 0))
	silent := func(bson.Raw, Forward) bson.Raw { <-t.Context().Done(); return nil }
	for name, call := range map[string]func(ctx context.Context) error{
		"Get": func(ctx context.Context) error { _, err := s.Get(ctx, player); return err },
		"Apply": func(ctx context.Context) error {
			_, err := s.Apply(ctx, 1, storage.Put(player, []byte("2"), 1))
			return err
		},
		"List": func(ctx context.Context) (last error) {
			for _, err := range s.List(ctx, storage.Range{Table: player.Table, Key1: player.Key1}) {
				last = err
			}
			return last
		},
	} {
		tap.arm(1, silent)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := call(ctx)
		cancel()
		if !errors.Is(err, storage.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || storage.WasRefused(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Get(t.Context(), player); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A server that does not take the password is told apart from one that is away.
func testCredentials(t *testing.T, db database) {
	uri, _ := db.behind(t, func(command bson.Raw, forward Forward) bson.Raw {
		if name, _ := Name(command); name != "saslStart" {
			return forward(command)
		}
		refusal, err := bson.Marshal(bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: 18}, {Key: "codeName", Value: "AuthenticationFailed"}, {Key: "errmsg", Value: "Authentication failed."}})
		if err != nil {
			return nil
		}
		return refusal
	})
	scheme, rest, _ := strings.Cut(uri, "://")
	rest = rest[strings.LastIndex(rest, "@")+1:]
	_, err := mongodb.Open(t.Context(), scheme+"://ann:secret@"+rest)
	wantError(t, err, "(AuthenticationFailed) Authentication failed.")
	if errors.Is(err, storage.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

// A server that is no primary any more does not take writes; the next one does.
func testStepDown(t *testing.T, db database) {
	var tap tap
	s, _ := db.through(t, tap.handle)
	apply(t, s, 1, storage.Put(player, []byte("1"), 0))
	refusal, err := bson.Marshal(bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: 10107}, {Key: "codeName", Value: "NotWritablePrimary"}, {Key: "errmsg", Value: "not primary"}})
	if err != nil {
		t.Fatal(err)
	}
	const swap = 4 // after head, pending row and row, or in a transaction as good as any
	tap.arm(swap, func(bson.Raw, Forward) bson.Raw { return refusal })
	if _, err := s.Apply(t.Context(), 1, storage.Put(player, []byte("2"), 1)); !errors.Is(err, storage.ErrUnavailable) || storage.WasRefused(err) {
		t.Error(err)
	}
	take(t, s, player, "3")
}
