package nats

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/mallee-io/mallee/sidecar/internal/broker"
)

// escape spells the value of a header. Those of CloudEvents are percent-encoded,
// as their binding to NATS says.
func escape(name, value string) string {
	if !strings.HasPrefix(name, broker.AttributePrefix) {
		return value
	}
	var b strings.Builder
	for _, c := range []byte(value) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// headers are those of a message, with names in lower case. A value that is not
// spelled right stays as it is.
func headers(of nats.Header) map[string]string {
	all := make(map[string]string, len(of))
	for name, values := range of {
		name = strings.ToLower(name)
		if len(values) == 0 {
			continue
		}
		all[name] = values[0]
		if !strings.HasPrefix(name, broker.AttributePrefix) {
			continue
		}
		if text, err := url.PathUnescape(values[0]); err == nil {
			all[name] = text
		}
	}
	return all
}

// durable spells a text as a name of a stream or consumer, which may not have
// dots, blanks and other characters. Different texts get different names.
func durable(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-':
			b.WriteByte(c)
		case c == '.':
			b.WriteByte('_')
		default:
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}
