package chaos

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// KnowsOwners says whether this system tells whose a socket is.
const KnowsOwners = true

// Owner finds the process among pids that has opened a connection from an IPv4
// address of this machine; 0: none of them.
func Owner(from netip.AddrPort, pids []int) (int, error) {
	inode, err := inodeOf(from)
	if inode == "" || err != nil {
		return 0, err
	}
	socket := "socket:[" + inode + "]"
	for _, pid := range pids {
		dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
		files, err := os.ReadDir(dir)
		if err != nil {
			continue // it has ended meanwhile
		}
		for _, f := range files {
			if target, err := os.Readlink(filepath.Join(dir, f.Name())); err == nil && target == socket {
				return pid, nil
			}
		}
	}
	return 0, nil
}

// inodeOf finds a socket in the kernel's table, where the second column is its
// own address and the tenth its inode; "" if it is gone.
func inodeOf(from netip.AddrPort) (string, error) {
	file, err := os.Open("/proc/net/tcp")
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // it was read only
	ip := from.Addr().Unmap().As4()
	local := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), from.Port())
	table := bufio.NewScanner(file)
	for table.Scan() {
		if columns := strings.Fields(table.Text()); len(columns) > 9 && columns[1] == local {
			return columns[9], nil
		}
	}
	return "", table.Err()
}
