package pd

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement/driver"
)

// keys are where things are in etcd: all under the cluster's name.
type keys string

func newKeys(cluster string) keys { return keys("/mallee/" + cluster + "/") }

// format holds the version of all the others, so that a process can see that
// it is too old for them.
func (k keys) format() string { return string(k) + "format" }

func (k keys) election() string { return string(k) + "election" } // and one key below it for each candidate
func (k keys) term() string     { return string(k) + "term" }
func (k keys) settings() string { return string(k) + "settings" }
func (k keys) members() string  { return string(k) + "members/" }
func (k keys) ids() string      { return string(k) + "global/server_id" }

func (k keys) sequence(name string) string {
	return string(k) + "global/sequence/" + url.PathEscape(name)
}

func (k keys) member(id driver.NodeID) string { return k.members() + id.String() }

// known tells of each member that is or was one lately; see known.go.
func (k keys) known(id driver.NodeID) string { return k.knownAll() + id.String() }
func (k keys) knownAll() string              { return string(k) + "known/" }

// issued is the right of a Koala host to register under an ID.
func (k keys) issued(id driver.NodeID) string { return string(k) + "issued/" + id.String() }

// memberID reads the key of a member.
func (k keys) memberID(key string) (driver.NodeID, bool) {
	return nodeID(strings.TrimPrefix(key, k.members()))
}

func nodeID(text string) (driver.NodeID, bool) {
	id, err := strconv.ParseUint(text, 10, 64)
	return driver.NodeID(id), err == nil && id != 0
}

func (k keys) foreign() string { return string(k) + "foreign/" }

// grant is of a foreign member.
func (k keys) grant(node driver.NodeID, id mallee.ID) string {
	return k.foreign() + node.String() + "/" + url.PathEscape(id.Type) + "/" + url.PathEscape(id.Key)
}

// granted reads the key of a grant.
func (k keys) granted(key string) (node driver.NodeID, id mallee.ID, ok bool) {
	parts := strings.Split(strings.TrimPrefix(key, k.foreign()), "/")
	if len(parts) != 3 {
		return 0, id, false
	}
	if node, ok = nodeID(parts[0]); !ok {
		return 0, id, false
	}
	var err error
	if id.Type, err = url.PathUnescape(parts[1]); err != nil {
		return 0, id, false
	}
	if id.Key, err = url.PathUnescape(parts[2]); err != nil {
		return 0, id, false
	}
	return node, id, true
}
