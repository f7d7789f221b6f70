package pd

import (
	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement/driver"
)

// What is in etcd, for fuzzing.

func DecodeRecord(text []byte) (again string, err error) {
	r, err := decodeRecord(text)
	if err != nil {
		return "", err
	}
	return r.encode()
}

func GrantKey(node driver.NodeID, id mallee.ID) string { return newKeys("c").grant(node, id) }

func ParseGrantKey(key string) (driver.NodeID, mallee.ID, bool) { return newKeys("c").granted(key) }
