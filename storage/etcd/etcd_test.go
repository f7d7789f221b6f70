package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/etcd"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
	"github.com/mallee-io/mallee/storage/storagetest"
)

// The tests of this file share a server. Each has a prefix of its own.
func TestStore(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	storagetest.Run(t, func(t *testing.T) storagetest.Place {
		config := etcd.Config{Endpoints: server.Endpoints(), Prefix: prefix(t)}
		return storagetest.Place{Open: func() (storage.Store, error) { return etcd.Open(t.Context(), config) }}
	})
	for name, test := range map[string]func(t *testing.T, server *etcdtest.Server){
		"LargePages":         testLargePages,
		"OneHead":            testOneHead,
		"DeleteNothing":      testDeleteNothing,
		"ForeignPrefix":      testForeignPrefix,
		"NewerFormat":        testNewerFormat,
		"DamagedRows":        testDamagedRows,
		"DamagedHead":        testDamagedHead,
		"OpenTogether":       testOpenTogether,
		"Limits":             testLimits,
		"ServersTakeLess":    testServersTakeLess,
		"CutConnections":     testCutConnections,
		"CloseWhileWriting":  testCloseWhileWriting,
		"CancelWhileWriting": testCancelWhileWriting,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, server)
		})
	}
}

// prefix is a place of the test's own in a server that it shares.
func prefix(t *testing.T) string {
	return fmt.Sprintf("test/%s/", strings.ReplaceAll(t.Name(), "/", "_"))
}

func open(t *testing.T, config etcd.Config) storage.Store {
	t.Helper()
	s, err := etcd.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// openAt opens the store of a test.
func openAt(t *testing.T, server *etcdtest.Server) storage.Store {
	t.Helper()
	return open(t, etcd.Config{Endpoints: server.Endpoints(), Prefix: prefix(t)})
}

// bare is a client that knows nothing of the store.
func bare(t testing.TB, server *etcdtest.Server) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: server.Endpoints(), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func apply(t *testing.T, s storage.Store, ops ...storage.Op) []uint64 {
	t.Helper()
	versions, err := s.Apply(t.Context(), 1, ops...)
	if err != nil {
		t.Fatal(err)
	}
	return versions
}

// wantError looks for texts in an error, which must be of one line.
func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want %q in one line", err, texts)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %v, want %q", err, text)
		}
	}
}

// Pages that grow over small rows meet large ones, of which fewer fit.
func testLargePages(t *testing.T, server *etcdtest.Server) {
	s := openAt(t, server)
	at := func(i int) storage.Key { return storage.Key{Table: "t", Key1: "a", Key2: fmt.Sprintf("%05d", i)} }
	const small, large = 600, 20
	for i := 0; i < small; i += 100 {
		ops := make([]storage.Op, 100)
		for j := range ops {
			ops[j] = storage.PutBytes(at(i+j), []byte("x"), 0)
		}
		apply(t, s, ops...)
	}
	for i := range large {
		apply(t, s, storage.PutBytes(at(small+i), make([]byte, 1<<20), 0))
	}
	n := 0
	for row, err := range s.List(t.Context(), storage.Range{Table: "t", Key1: "a"}) {
		if err != nil {
			t.Fatal(err)
		}
		if row.Key != at(n) || n < small && len(row.Value) != 1 || n >= small && len(row.Value) != 1<<20 {
			t.Fatalf("row %d is %s with %d bytes", n, row.Key, len(row.Value))
		}
		n++
	}
	if n != small+large {
		t.Errorf("%d rows, want %d", n, small+large)
	}
}

// Epochs replace each other in the head, which is written once in each.
func testOneHead(t *testing.T, server *etcdtest.Server) {
	s, client := openAt(t, server), bare(t, server)
	var version uint64
	for _, epoch := range []uint64{0, 1, 1, 7, 7, 300, 1 << 40} {
		versions, err := s.Apply(t.Context(), epoch, storage.Put(storage.Key{Table: "t", Key1: "a"}, []byte("0"), version))
		if err != nil {
			t.Fatal(err)
		}
		version = versions[0]
		heads, err := client.Get(t.Context(), prefix(t)+"head/", clientv3.WithPrefix())
		if err != nil || len(heads.Kvs) != 1 || heads.Kvs[0].Version != 1 {
			t.Fatalf("in epoch %d: heads %v, %v", epoch, heads, err)
		}
	}
}

func testDeleteNothing(t *testing.T, server *etcdtest.Server) {
	s, key := openAt(t, server), storage.Key{Table: "t", Key1: "a"}
	for range 2 { // where the row is not there, and where it is
		if _, err := s.Apply(t.Context(), 1, storage.Delete(key, 0)); !errors.Is(err, storage.ErrConflict) {
			t.Error(err)
		}
		_, _ = s.Apply(t.Context(), 1, storage.Put(key, []byte("0"), 0))
	}
	if _, err := s.Apply(t.Context(), 1, storage.Put(key, []byte("0"), 1<<63)); !errors.Is(err, storage.ErrConflict) {
		t.Error(err)
	}
}

func testForeignPrefix(t *testing.T, server *etcdtest.Server) {
	client := bare(t, server)
	if _, err := client.Put(t.Context(), prefix(t)+"thesis", "precious"); err != nil {
		t.Fatal(err)
	}
	_, err := etcd.Open(t.Context(), etcd.Config{Endpoints: server.Endpoints(), Prefix: prefix(t)})
	wantError(t, err, "another program", "thesis", "choose another prefix")
	if found, err := client.Get(t.Context(), prefix(t), clientv3.WithPrefix()); err != nil || found.Count != 1 {
		t.Errorf("something was written there: %v, %v", found, err)
	}
}

func testNewerFormat(t *testing.T, server *etcdtest.Server) {
	client := bare(t, server)
	if _, err := client.Put(t.Context(), prefix(t)+"format", "mallee 2"); err != nil {
		t.Fatal(err)
	}
	_, err := etcd.Open(t.Context(), etcd.Config{Endpoints: server.Endpoints(), Prefix: prefix(t)})
	wantError(t, err, `is "mallee 2", this version of mallee knows "mallee 1"`)
	if found, err := client.Get(t.Context(), prefix(t), clientv3.WithPrefix()); err != nil || found.Count != 1 {
		t.Errorf("something was written there: %v, %v", found, err)
	}
}

func testDamagedRows(t *testing.T, server *etcdtest.Server) {
	s, client := openAt(t, server), bare(t, server)
	for name, c := range map[string]struct{ value, want string }{
		"empty":    {"", "has 0 bytes"},
		"short":    {"\x01\x00\x00\x00\x00\x00\x00\x00\x00", "has 9 bytes, at least 10 are needed"},
		"newer":    {"\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01{}", "is of format 2, this version of mallee knows 1"},
		"encoding": {"\x01\x02\x00\x00\x00\x00\x00\x00\x00\x01{}", "encoding 2"},
		"epoch":    {"\x01\x00\xff\x00\x00\x00\x00\x00\x00\x01{}", "the store is damaged"},
	} {
		key := storage.Key{Table: "t", Key1: name}
		if _, err := client.Put(t.Context(), prefix(t)+"row/t\x00\x01"+name+"\x00\x01", c.value); err != nil {
			t.Fatal(err)
		}
		_, err := s.Get(t.Context(), key)
		wantError(t, err, c.want, `t/"`+name+`"`)
		for row, err := range s.List(t.Context(), storage.Range{Table: "t", Key1: name}) {
			wantError(t, err, c.want)
			if row.Version != 0 {
				t.Errorf("%s: row %+v", name, row)
			}
		}
	}
	for _, key := range []string{"zz", "zz\x00\x01a", "zz\x00\x02"} {
		if _, err := client.Put(t.Context(), prefix(t)+"row/"+key, "?"); err != nil {
			t.Fatal(err)
		}
		for _, err := range s.Scan(t.Context(), storage.Key{Table: "z"}) {
			wantError(t, err, "has no end: the store is damaged")
		}
		if _, err := client.Delete(t.Context(), prefix(t)+"row/"+key); err != nil {
			t.Fatal(err)
		}
	}
}

func testDamagedHead(t *testing.T, server *etcdtest.Server) {
	s, client := openAt(t, server), bare(t, server)
	if _, err := client.Put(t.Context(), prefix(t)+"head/t\x00\x01a\x00\x01\xff\xff", ""); err != nil {
		t.Fatal(err)
	}
	_, err := s.Apply(t.Context(), 1, storage.Put(storage.Key{Table: "t", Key1: "a"}, []byte("0"), 0))
	wantError(t, err, "names no epoch: the store is damaged")
}

// Of nodes that start together, one makes the store.
func testOpenTogether(t *testing.T, server *etcdtest.Server) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := etcd.Open(t.Context(), etcd.Config{Endpoints: server.Endpoints(), Prefix: prefix(t)})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func testLimits(t *testing.T, server *etcdtest.Server) {
	s := openAt(t, server)
	batch := func(key1 string, rows int) []storage.Op {
		ops := make([]storage.Op, rows)
		for i := range ops {
			ops[i] = storage.Put(storage.Key{Table: "t", Key1: key1, Key2: fmt.Sprint(i)}, []byte("0"), 0)
		}
		return ops
	}
	versions := apply(t, s, batch("a", 125)...)
	ops := batch("a", 125)
	for i := range ops {
		ops[i].Version, ops[i].Delete = versions[i], i%2 == 0
	}
	apply(t, s, ops...)
	_, err := s.Apply(t.Context(), 1, batch("b", 126)...)
	wantTooLarge(t, err, "126 rows, and etcd takes 125", "--max-txn-ops", "Config.MaxTxnOps")
	key := storage.Key{Table: "t", Key1: "c"}
	_, err = s.Apply(t.Context(), 1, storage.PutBytes(key, make([]byte, 3<<19), 0))
	wantTooLarge(t, err, "etcd takes 1572864", "--max-request-bytes", "Config.MaxRequestBytes")
	for size := 3<<19 - 50; size > 3<<19-200; size -= 10 { // where the store leaves it to the server to count
		_, err = s.Apply(t.Context(), 1, storage.PutBytes(key, make([]byte, size), 0))
		if err == nil {
			return
		}
		wantTooLarge(t, err, "--max-request-bytes")
	}
}

func wantTooLarge(t *testing.T, err error, texts ...string) {
	t.Helper()
	wantError(t, err, texts...)
	if !errors.Is(err, storage.ErrTooLarge) || !storage.WasRefused(err) {
		t.Errorf("%v is no ErrTooLarge", err)
	}
}

// The store believes that servers take more than they do.
func testServersTakeLess(t *testing.T, server *etcdtest.Server) {
	s := open(t, etcd.Config{Endpoints: server.Endpoints(), Prefix: prefix(t), MaxTxnOps: 1000, MaxRequestBytes: 8 << 20})
	ops := make([]storage.Op, 200)
	for i := range ops {
		ops[i] = storage.Put(storage.Key{Table: "t", Key1: "a", Key2: fmt.Sprint(i)}, []byte("0"), 0)
	}
	_, err := s.Apply(t.Context(), 1, ops...)
	wantTooLarge(t, err, "--max-txn-ops")
	for _, size := range []int{16e5, 4 << 20} { // etcd refuses the first, gRPC the second
		_, err = s.Apply(t.Context(), 1, storage.PutBytes(storage.Key{Table: "t", Key1: "a"}, make([]byte, size), 0))
		wantTooLarge(t, err, "--max-request-bytes")
	}
	for row := range s.Scan(t.Context(), storage.Key{}) {
		t.Errorf("a refused row is there: %s", row.Key)
	}
}

func testCancelWhileWriting(t *testing.T, server *etcdtest.Server) {
	p := startProxy(t, server.Endpoints()[0])
	s := open(t, etcd.Config{Endpoints: []string{p.address()}, Prefix: prefix(t)})
	direct := openAt(t, server)
	p.swallowAnswers()
	ctx, cancel := context.WithCancel(t.Context())
	key := storage.Key{Table: "t", Key1: "a"}
	failed := make(chan error)
	go func() {
		_, err := s.Apply(ctx, 1, storage.Put(key, []byte("0"), 0))
		failed <- err
	}()
	awaitRow(t, direct, key)
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) || storage.WasRefused(err) {
		t.Errorf("a write that was done and then cancelled: %v", err)
	}
}
