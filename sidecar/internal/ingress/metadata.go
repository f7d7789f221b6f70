package ingress

import (
	"net/http"
	"slices"
	"strings"

	"github.com/mallee-io/mallee/sidecar/internal/command"
)

// metadataOf are the headers of a request as metadata: one entry per line, names
// in lower case and sorted (net/http does not keep their order), without those
// that are about the connection. Values are passed as they came, binary ones as
// their base64 text.
func metadataOf(r *http.Request) command.Metadata {
	md := make(command.Metadata, 0, len(r.Header)+2)
	md = append(md, command.Entry{Key: "host", Text: r.Host})
	for name, values := range r.Header {
		key := lowerName(name)
		if ofConnection(key) {
			continue
		}
		for _, v := range values {
			md = append(md, command.Entry{Key: key, Text: v})
		}
	}
	slices.SortStableFunc(md, func(a, b command.Entry) int { return strings.Compare(a.Key, b.Key) })
	return md
}

// lowerName saves the names that almost every call has an allocation.
func lowerName(name string) string {
	switch name {
	case "Content-Type":
		return "content-type"
	case "User-Agent":
		return "user-agent"
	case "Te":
		return "te"
	case "Grpc-Timeout":
		return "grpc-timeout"
	case "Grpc-Accept-Encoding":
		return "grpc-accept-encoding"
	case "Accept-Encoding":
		return "accept-encoding"
	case "Content-Length":
		return "content-length"
	case "Traceparent":
		return "traceparent"
	case "Authorization":
		return "authorization"
	}
	return strings.ToLower(name)
}

// ofConnection reports whether a header is about the connection or the way the
// body is sent, so that it means nothing to anyone behind the connection.
func ofConnection(key string) bool {
	switch key {
	case "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
		"transfer-encoding", "content-length", "te", "trailer", "upgrade", "http2-settings":
		return true
	}
	return false
}

// addMetadata makes headers of the metadata of a call's first reply. Entries of
// bytes are dropped, and so are those that would break the answer: names that the
// protocols use themselves, and what cannot be in a header.
func addMetadata(header http.Header, md command.Metadata) {
	for _, e := range md {
		if !e.Binary && !reserved(e.Key) && validHeader(e.Key, e.Text) {
			header.Add(e.Key, e.Text)
		}
	}
}

func reserved(name string) bool {
	key := lowerName(name)
	switch key {
	case "content-type", "content-encoding", "content-range":
		return true
	}
	return ofConnection(key) || strings.HasPrefix(key, "grpc-") || strings.HasPrefix(key, "connect-")
}

// validHeader follows RFC 9110, 5.1 and 5.5.
func validHeader(name, value string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return name != ""
}
