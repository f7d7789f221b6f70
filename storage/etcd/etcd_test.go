package etcd_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/etcd"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
	"github.com/mallee-io/mallee/storage/storagetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	storagetest.Run(t, func(t *testing.T) storagetest.Place {
		config := etcd.Config{Endpoints: server.Endpoints(), Prefix: prefix(t)}
		return storagetest.Place{Open: func() (storage.Store, error) { return etcd.Open(t.Context(), config) }}
	})
}

// prefix is a place of the test's own in a server that it shares.
func prefix(t *testing.T) string {
	return fmt.Sprintf("test/%s/", strings.ReplaceAll(t.Name(), "/", "_"))
}
