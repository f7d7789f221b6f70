package eventing

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mallee-io/mallee/sidecar/internal/broker"
)

// Whatever a topic has is read or is an error; what is read is a whole event,
// and comes through a topic as it is.
func FuzzMessage(f *testing.F) {
	f.Add("application/cloudevents+json", "", "", []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"a":1}}`))
	f.Add("application/cloudevents+json", "", "", []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","datacontenttype":"text/plain","data_base64":"eA=="}`))
	f.Add("text/plain; charset=utf-16", "1.0", "t", []byte("\xff\xfex\x00"))
	f.Add("application/protobuf; proto=a.B", "1.0", "", []byte("x"))
	f.Add("", "", "", []byte(nil))
	f.Fuzz(func(t *testing.T, contentType, version, eventType string, data []byte) {
		m := &broker.Message{ID: "1", Headers: map[string]string{broker.ContentType: contentType}, Data: data}
		if version != "" {
			m.Headers["ce-specversion"], m.Headers["ce-type"] = version, eventType
		}
		e, err := readCloudEvent(m, "source")
		if err != nil {
			return
		}
		for _, name := range required[:3] {
			if e.attributes[name] == "" && version == "" {
				t.Fatalf("an event without %s: %v", name, e)
			}
		}
		p, err := e.payload()
		if err != nil {
			return
		}
		back, _, _, err := content(p)
		if err != nil {
			t.Fatalf("%v has become %v, which cannot be read: %v", e, p, err)
		}
		if again := (&cloudEvent{attributes: e.attributes, contentType: e.contentType, data: back}); p.TypeURL == primitivePrefix+"bytes" && e.contentType == octets && !bytes.Equal(again.data, data) {
			t.Fatalf("%q came back as %q", data, back)
		}
	})
}

func FuzzUnwrap(f *testing.F) {
	f.Add(wrap([]byte("x")))
	f.Add([]byte("\x08\x05"))
	f.Add([]byte("\x0a\x05"))
	f.Fuzz(func(t *testing.T, message []byte) {
		data, err := unwrap(message)
		if err != nil {
			return
		}
		if again, err := unwrap(wrap(data)); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%q came back as %q, %v", data, again, err)
		}
		if n, _, _ := protowire.ConsumeField(message); len(message) > 0 && n < 0 {
			t.Fatalf("%q is no message", message)
		}
	})
}
