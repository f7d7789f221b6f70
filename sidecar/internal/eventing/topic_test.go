package eventing_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/broker"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/eventing"
)

// received is what the method of topic orders gets of a message.
func received(t *testing.T, m *broker.Message) (got *command.Command, report string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, model(t, "Cart", "Orders"), withBroker)
		w.start()
		defer w.stop()
		if err := w.broker.Publish(t.Context(), "orders", m); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(w.function.got) == 1 {
			got = w.function.got[0]
		}
		if len(w.reports) > 0 {
			report = <-w.reports
		}
	})
	return got, report
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		contentType, eventType, data, url, value string
	}{
		"protobuf":            {"application/protobuf", "shop.Added", "\x0a\x01x", added, "\x0a\x01x"},
		"protobuf, proto":     {"application/protobuf; proto=shop.Added", "other", "x", added, "x"},
		"protobuf, type":      {"application/x-protobuf; messageType=shop.Added", "other", "x", added, "x"},
		"protobuf, google":    {"application/vnd.google.protobuf", "shop.Removed", "x", removed, "x"},
		"protobuf, whole URL": {"application/protobuf", added, "x", added, "x"},
		"any":                 {"application/vnd.cloudstate.protobuf.any", "json.cloudstate.io/x", "x", "json.cloudstate.io/x", "x"},
		"json":                {"application/json", "order", `{"a":1}`, "json.cloudstate.io/order", "\x0a\x07{\"a\":1}"},
		"json of a kind":      {"application/vnd.shop+json; charset=utf-8", "order", `[]`, "json.cloudstate.io/order", "\x0a\x02[]"},
		"text":                {"text/plain", "", "größe", "p.cloudstate.io/string", "\x0a\x07größe"},
		"text, other charset": {"text/plain; charset=ISO-8859-1", "", "gr\xf6\xdfe", "p.cloudstate.io/string", "\x0a\x07größe"},
		"text, empty":         {"text/html", "", "", "p.cloudstate.io/string", "\x0a\x00"},
		"bytes":               {"image/png", "", "\x00\xff", "p.cloudstate.io/bytes", "\x0a\x02\x00\xff"},
		"nothing":             {"", "", "\x00", "p.cloudstate.io/bytes", "\x0a\x01\x00"},
		"nonsense":            {"\x01", "", "x", "p.cloudstate.io/bytes", "\x0a\x01x"},
	} {
		headers := map[string]string{"ce-specversion": "1.0", "ce-type": c.eventType, "ce-datacontenttype": c.contentType}
		got, report := received(t, &broker.Message{Headers: headers, Data: []byte(c.data)})
		if got == nil {
			t.Errorf("%s: %s", name, report)
		} else if p := got.Payload; p.TypeURL != c.url || string(p.Value) != c.value {
			t.Errorf("%s: got %s %q, want %s %q", name, p.TypeURL, p.Value, c.url, c.value)
		}
	}
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	text := func(key, text string) command.Entry { return command.Entry{Key: key, Text: text} }
	for name, c := range map[string]struct {
		m    *broker.Message
		want command.Metadata
	}{
		"all": {
			&broker.Message{Data: []byte("x"), Headers: map[string]string{
				"ce-specversion": "1.0", "ce-id": "7", "ce-source": "s", "ce-type": "t", "ce-subject": "one", "ce-time": "2020-01-01T00:00:00Z",
				"ce-dataschema": "d", "ce-tenant": "x", "content-type": "text/plain", "other": "not passed",
			}},
			command.Metadata{
				text("ce-id", "7"), text("ce-source", "s"), text("ce-specversion", "1.0"), text("ce-type", "t"), text("ce-subject", "one"),
				text("ce-dataschema", "d"), text("ce-time", "2020-01-01T00:00:00Z"), text("ce-tenant", "x"), text("Content-Type", "text/plain"),
			},
		},
		"few": {
			&broker.Message{Headers: map[string]string{"ce-specversion": "1.0"}},
			command.Metadata{
				text("ce-id", "orders/0"), text("ce-source", "orders_shop.Orders"), text("ce-specversion", "1.0"), text("ce-type", ""),
				text("Content-Type", "application/octet-stream"),
			},
		},
		"no event": {
			&broker.Message{Headers: map[string]string{"content-type": "text/plain", "ce-type": "not read"}},
			command.Metadata{
				text("ce-id", "orders/0"), text("ce-source", "orders_shop.Orders"), text("ce-specversion", "1.0"), text("ce-type", ""),
				text("ce-time", "2000-01-01T00:00:00Z"), text("Content-Type", "text/plain"),
			},
		},
		"structured": {
			&broker.Message{Headers: map[string]string{"content-type": "application/cloudevents+json; charset=UTF-8"}, Data: []byte(
				`{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"one","size":5,"nothing":null,"datacontenttype":"text/plain","data":"hello"}`)},
			command.Metadata{
				text("ce-id", "1"), text("ce-source", "s"), text("ce-specversion", "1.0"), text("ce-type", "t"), text("ce-subject", "one"),
				text("ce-size", "5"), text("Content-Type", "text/plain"),
			},
		},
	} {
		got, report := received(t, c.m)
		if got == nil {
			t.Errorf("%s: %s", name, report)
		} else if !reflect.DeepEqual(got.Metadata, c.want) {
			t.Errorf("%s: got %v, want %v", name, got.Metadata, c.want)
		}
	}
}

func TestStructuredData(t *testing.T) {
	t.Parallel()
	const head = `{"specversion":"1.0","id":"1","source":"s","type":"t"`
	for rest, want := range map[string]string{
		`,"data":{"a":[1]}}`: "json.cloudstate.io/t \x0a\x09{\"a\":[1]}",
		`,"data":"text"}`:    "json.cloudstate.io/t \x0a\x06\"text\"",
		`}`:                  "json.cloudstate.io/t \x0a\x00",
		`,"datacontenttype":"application/protobuf","data_base64":"CgF4"}`: "type.googleapis.com/t \x0a\x01x",
		`,"datacontenttype":"text/plain","data":"text"}`:                  "p.cloudstate.io/string \x0a\x04text",
	} {
		m := &broker.Message{Headers: map[string]string{"content-type": "application/cloudevents+json"}, Data: []byte(head + rest)}
		got, report := received(t, m)
		if got == nil {
			t.Errorf("%s: %s", rest, report)
		} else if text := got.Payload.TypeURL + " " + string(got.Payload.Value); text != want {
			t.Errorf("%s: got %q, want %q", rest, text, want)
		}
	}
}

// A message that cannot be read does not stop those behind it.
func TestPoison(t *testing.T) {
	t.Parallel()
	structured := map[string]string{"content-type": "application/cloudevents+json"}
	for name, c := range map[string]struct {
		m      *broker.Message
		report string
	}{
		"no JSON":         {&broker.Message{Headers: structured, Data: []byte("{")}, "unexpected end of JSON input"},
		"no id":           {&broker.Message{Headers: structured, Data: []byte(`{"specversion":"1.0"}`)}, "it has no id"},
		"no base64":       {&broker.Message{Headers: structured, Data: []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"?"}`)}, "read the data"},
		"unknown charset": {&broker.Message{Headers: map[string]string{"content-type": "text/plain; charset=klingon"}}, `charset "klingon"`},
		"no UTF-8":        {&broker.Message{Headers: map[string]string{"content-type": "text/plain"}, Data: []byte("\xff")}, "not UTF-8"},
		"no type":         {&broker.Message{Headers: map[string]string{"content-type": "application/protobuf"}}, "does not say of which type"},
		"no method":       {&broker.Message{Headers: map[string]string{"content-type": "image/png"}}, "no method takes events of type p.cloudstate.io/bytes"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, model(t, "Cart", "Typed", "Orders"), withBroker)
			w.start()
			defer w.stop()
			good := &broker.Message{Headers: map[string]string{"content-type": "application/protobuf; proto=shop.Added"}}
			for _, m := range []*broker.Message{c.m, good} {
				if err := w.broker.Publish(t.Context(), "typed", m); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			if n := w.count("Typed.OnAdded typed/1"); n != 1 {
				t.Errorf("%s: the message behind it came %d times", name, n)
			}
			if report := <-w.reports; !strings.Contains(report, c.report) || !strings.Contains(report, "topic typed for g goes on without message typed/0") {
				t.Errorf("%s: reported %q", name, report)
			}
		})
	}
}

func TestATopicIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, model(t, "Cart", "Orders"), withBroker)
		begin := time.Now()
		var at []time.Duration
		w.function.answer = func(string) error {
			if at = append(at, time.Since(begin)/time.Second); len(at) < 6 {
				return mallee.ErrUnavailable.Errorf("not now")
			}
			return nil
		}
		w.start()
		defer w.stop()
		if err := w.broker.Publish(t.Context(), "orders", &broker.Message{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if len(at) != 6 {
			t.Fatalf("tried at %v s", at)
		}
		for n, least := range []time.Duration{0, 3, 9, 21, 45, 75} {
			if at[n] < least || at[n] > least*12/10+1 {
				t.Errorf("try %d was after %d s", n, at[n])
			}
		}
	})
}

// What is being handled at Stop is waited for, as long as Stop may.
func TestStop(t *testing.T) {
	t.Parallel()
	for name, patience := range map[string]time.Duration{"in time": time.Hour, "too late": time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, model(t, "Cart", "Orders", "Mail"), withBroker)
			w.function.answer = func(string) error { time.Sleep(30 * time.Second); return nil }
			w.start()
			if err := w.broker.Publish(t.Context(), "orders", &broker.Message{}); err != nil {
				t.Fatal(err)
			}
			if err := w.add(t.Context(), "one", added); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			begin := time.Now()
			w.eventing.Stop(ctx)
			synctest.Wait()
			done := len(w.rows(t, "g/")) == 1
			if took := time.Since(begin); took != min(patience, 30*time.Second) || done != (patience > time.Minute) {
				t.Errorf("%s: it took %v; what was done is written: %v", name, took, done)
			}
			time.Sleep(time.Minute)
		})
	}
}

func TestPublish(t *testing.T) {
	t.Parallel()
	text := func(key, text string) command.Entry { return command.Entry{Key: key, Text: text} }
	for name, c := range map[string]struct {
		reply command.Reply
		want  map[string]string
		data  string
	}{
		"protobuf": {
			command.Reply{Payload: command.Payload{TypeURL: removed, Value: []byte("\x0a\x01x")}},
			map[string]string{"ce-source": "shop.Stock", "ce-type": "shop.Removed", "content-type": "application/protobuf"}, "\x0a\x01x",
		},
		"json": {
			command.Reply{Payload: command.Payload{TypeURL: "json.cloudstate.io/order", Value: []byte("\x0a\x02{}")}},
			map[string]string{"ce-type": "order", "content-type": "application/json"}, "{}",
		},
		"string": {
			command.Reply{Payload: command.Payload{TypeURL: "p.cloudstate.io/string", Value: []byte("\x0a\x02hi")}},
			map[string]string{"content-type": "text/plain; charset=utf-8"}, "hi",
		},
		"empty bytes": {
			command.Reply{Payload: command.Payload{TypeURL: "p.cloudstate.io/bytes"}},
			map[string]string{"content-type": "application/octet-stream"}, "",
		},
		"another primitive": {
			command.Reply{Payload: command.Payload{TypeURL: "p.cloudstate.io/int32", Value: []byte("\x08\x05")}},
			map[string]string{"ce-type": "p.cloudstate.io/int32", "content-type": "application/vnd.cloudstate.protobuf.any"}, "\x08\x05",
		},
		"attributes": {
			command.Reply{
				Payload: command.Payload{TypeURL: removed},
				Metadata: command.Metadata{
					text("CE-ID", "1"), text("ce-source", "s"), text("ce-type", "t"), text("ce-time", "2020-01-01T00:00:00Z"), text("ce-subject", "one"),
					text("ce-tenant", "x"), text("content-type", "application/x-protobuf"), text("other", "x"), {Key: "ce-bytes", Bytes: []byte("x"), Binary: true},
				},
			},
			map[string]string{
				"ce-id": "1", "ce-source": "s", "ce-specversion": "1.0", "ce-type": "t", "ce-time": "2020-01-01T00:00:00Z", "ce-subject": "one",
				"ce-tenant": "x", "content-type": "application/x-protobuf",
			}, "",
		},
	} {
		b, m := broker.Memory(), model(t, "Cart", "Stock")
		e := eventing.New(eventing.Config{Model: m, Broker: b})
		if err := e.Publish(t.Context(), m.Service("shop.Stock").Method("OnAdded"), &c.reply); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		ctx, cancel := context.WithCancel(t.Context())
		_ = b.Consume(ctx, "reserved", "g", func(_ context.Context, got *broker.Message) error {
			cancel()
			for header, want := range c.want {
				if got.Headers[header] != want {
					t.Errorf("%s: %s is %q, want %q", name, header, got.Headers[header], want)
				}
			}
			if string(got.Data) != c.data || got.Headers["ce-id"] == "" || got.Headers["ce-time"] == "" || got.Key != got.Headers["ce-subject"] {
				t.Errorf("%s: got %v", name, got)
			}
			if name == "attributes" && len(got.Headers) != len(c.want) {
				t.Errorf("%s: got %v", name, got.Headers)
			}
			return nil
		})
	}
	if err := eventing.New(eventing.Config{Model: model(t, "Cart", "Stock"), Broker: broker.Memory()}).Publish(t.Context(), model(t, "Stock", "Cart").Service("shop.Stock").Method("OnAdded"),
		&command.Reply{Payload: command.Payload{TypeURL: "p.cloudstate.io/bytes", Value: []byte{0x0a}}}); err == nil {
		t.Error("a payload that cannot be read was published")
	}
}
