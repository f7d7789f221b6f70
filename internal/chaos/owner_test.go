package chaos_test

import (
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/mallee-io/mallee/internal/chaos"
)

func TestOwner(t *testing.T) {
	t.Parallel()
	if !chaos.KnowsOwners {
		t.Skip("this system does not tell whose a socket is")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	from := conn.LocalAddr().(*net.TCPAddr).AddrPort()
	if pid, err := chaos.Owner(from, []int{1 << 30, os.Getpid()}); pid != os.Getpid() || err != nil {
		t.Errorf("process %d, %v", pid, err)
	}
	if pid, err := chaos.Owner(from, nil); pid != 0 || err != nil {
		t.Errorf("process %d of none, %v", pid, err)
	}
	if pid, err := chaos.Owner(netip.MustParseAddrPort("127.9.9.9:9"), []int{os.Getpid()}); pid != 0 || err != nil {
		t.Errorf("process %d has no such connection, %v", pid, err)
	}
}
