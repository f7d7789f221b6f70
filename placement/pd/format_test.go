package pd_test

import (
	"strings"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement/driver"
	"github.com/mallee-io/mallee/placement/pd"
)

// The first format of a member has to be read for ever.
const firstRecord = `{"format":1,"member":{"id":"7","name":"a","addr":"10.0.0.1:1","types":[{"name":"A","interfaces":["I"],"strategy":2,"weight":"3"}],"labels":{"zone":"x"},"foreign":true,"sinceUnixMs":"1795216809408"},"ttl":5,"load":-1}`

func FuzzRecord(f *testing.F) {
	f.Add([]byte(firstRecord))
	f.Add([]byte(`{"format":2}`))
	f.Add([]byte(`{"format":1,"member":{"id":7,"unknown":1}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		once, err := pd.DecodeRecord(text)
		if err != nil {
			return
		}
		twice, err := pd.DecodeRecord([]byte(once))
		if err != nil || strings.ReplaceAll(twice, " ", "") != strings.ReplaceAll(once, " ", "") { // protojson varies its spaces
			t.Errorf("%s\n%s\n%v", once, twice, err)
		}
	})
}

func TestFirstRecord(t *testing.T) {
	t.Parallel()
	again, err := pd.DecodeRecord([]byte(firstRecord))
	if err != nil || strings.ReplaceAll(again, " ", "") != firstRecord {
		t.Errorf("%s, %v", again, err)
	}
}

func FuzzGrantKey(f *testing.F) {
	f.Add(uint64(1), "IPlayer", "1")
	f.Add(uint64(1<<64-1), "a.b", "/ü%2F \x00")
	f.Add(uint64(0), "", "")
	f.Fuzz(func(t *testing.T, node uint64, actorType, key string) {
		id := mallee.ID{Type: actorType, Key: key}
		gotNode, gotID, ok := pd.ParseGrantKey(pd.GrantKey(driver.NodeID(node), id))
		if ok != (node != 0) || ok && (gotNode != driver.NodeID(node) || gotID != id) {
			t.Errorf("%d %v, %t", gotNode, gotID, ok)
		}
		pd.ParseGrantKey(key)
	})
}
