package client_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/client"
	"github.com/mallee-io/mallee/wire/edge"
)

func TestFragments(t *testing.T) {
	t.Parallel()
	// A ping between the two halves of a message, and then a close.
	const sent = "\x02\x02\x03a" + "\x89\x01?" + "\x80\x01b" + "\x88\x04\x10\x68ok"
	all, err := client.ReadWebSocket(strings.NewReader(sent), 100)
	if len(all) != 1 || all[0].Kind != edge.KindText || string(all[0].Payload) != "ab" {
		t.Errorf("%+v", all)
	}
	var closed *edge.Closed
	if !errors.As(err, &closed) || closed.Code != edge.CodeKicked || closed.Reason != "ok" {
		t.Error(err)
	}
}

func TestMessagesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sent string
		want edge.Code
	}{
		"text":               {"\x81\x02\x03a", edge.CodeProtocol},
		"a reserved kind":    {"\x83\x02\x03a", edge.CodeProtocol},
		"a ping in pieces":   {"\x09\x01?", edge.CodeProtocol},
		"masked":             {"\x82\x82\x00\x00\x00\x00\x03a", edge.CodeProtocol},
		"compressed":         {"\xc2\x02\x03a", edge.CodeProtocol},
		"a second half":      {"\x80\x02\x03a", edge.CodeProtocol},
		"two first halves":   {"\x02\x02\x03a\x02\x02\x03a", edge.CodeProtocol},
		"empty":              {"\x82\x00", edge.CodeProtocol},
		"an unknown kind":    {"\x82\x01\x63", edge.CodeProtocol},
		"of many exabytes":   {"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", edge.CodeTooLarge},
		"data over its size": {"\x82\x66\x04" + strings.Repeat("x", 101), edge.CodeTooLarge},
	} {
		_, err := client.ReadWebSocket(strings.NewReader(c.sent), 100)
		var wrong *edge.Violation
		if !errors.As(err, &wrong) || wrong.Code != c.want {
			t.Errorf("%s: %v, not code %d", name, err, c.want)
		}
	}
}

func FuzzWebSocket(f *testing.F) {
	f.Add("\x02\x02\x03a\x89\x01?\x80\x01b\x88\x04\x10\x68ok")
	f.Add("\x82\x7e\x01\x00")
	f.Fuzz(func(t *testing.T, sent string) {
		all, err := client.ReadWebSocket(strings.NewReader(sent), 100)
		for _, d := range all {
			if len(d.Payload) > edge.MaxControl {
				t.Fatalf("%d bytes", len(d.Payload))
			}
		}
		if err == nil {
			t.Fatal("it never ends")
		}
	})
}
