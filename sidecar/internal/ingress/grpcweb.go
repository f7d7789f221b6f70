package ingress

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

const (
	webType     = "application/grpc-web"
	webTextType = "application/grpc-web-text"
)

// isGRPCWeb reports whether a content type is of gRPC-Web with protobuf. Browsers
// and their proxies may add parameters.
func isGRPCWeb(contentType string) bool {
	kind := mediaType(contentType)
	return kind == webType || kind == webTextType
}

// mediaType is a content type without parameters and without the suffix of
// protobuf.
func mediaType(contentType string) string {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.TrimSuffix(strings.ToLower(strings.TrimSpace(kind)), "+proto")
}

func (h *Handler) serveGRPCWeb(w http.ResponseWriter, r *http.Request, e *endpoint) {
	s := h.newStream(w, r, e.Method)
	contentType := r.Header.Get("Content-Type")
	text := mediaType(contentType) == webTextType
	if text {
		s.in.from.Reader = &base64Reader{from: r.Body}
	}
	s.out.text = wantsText(r.Header.Get("Accept"), text)
	answer := webType
	if s.out.text {
		answer = webTextType
	}
	if strings.Contains(contentType, "+proto") {
		answer += "+proto"
	}
	w.Header().Set("Content-Type", answer)

	trailers := http.Header{}
	h.setStatus(trailers, false, h.callGRPC(r, e, s))
	s.out.gzip = nil
	_ = s.out.write(flagTrailers, appendTrailers(nil, trailers)) // what fails is the client's connection
}

// wantsText reports whether answers are to be in base64: as the client accepts
// them, or else as it has sent its request.
func wantsText(accept string, sent bool) bool {
	switch {
	case strings.Contains(accept, webTextType):
		return true
	case strings.Contains(accept, webType):
		return false
	}
	return sent
}

// appendTrailers writes trailers as lines of HTTP/1.1, in a stable order.
func appendTrailers(b []byte, trailers http.Header) []byte {
	names := make([]string, 0, len(trailers))
	for name := range trailers {
		names = append(names, name)
	}
	slices.Sort(names)
	slices.Reverse(names) // the status first
	for _, name := range names {
		b = fmt.Appendf(b, "%s: %s\r\n", strings.ToLower(name), trailers.Get(name))
	}
	return b
}

// base64Reader decodes the text form of gRPC-Web: pieces of base64 one after the
// other, each of which may end with padding.
type base64Reader struct {
	from io.Reader
	text [1 << 10]byte // read and not decoded yet: text[:n]
	n    int
	data [3 << 8]byte // decoded and not taken yet: data[a:b]
	a, b int
}

const quantum = 4 // characters that are decoded together

func (r *base64Reader) Read(p []byte) (int, error) {
	for r.a == r.b {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.data[r.a:r.b])
	r.a += n
	return n, nil
}

// fill reads some text and decodes what is whole of it.
func (r *base64Reader) fill() error {
	n, err := r.from.Read(r.text[r.n:])
	r.n += n
	r.a, r.b = 0, 0
	at := 0
	for ; r.n-at >= quantum; at += quantum {
		k, err := base64.StdEncoding.Decode(r.data[r.b:], r.text[at:at+quantum])
		if err != nil || k == 0 {
			return malformed("the request is not base64")
		}
		r.b += k
	}
	r.n = copy(r.text[:], r.text[at:r.n])
	switch {
	case err == io.EOF && r.b > 0:
		return nil
	case err == io.EOF && r.n > 0:
		return io.ErrUnexpectedEOF
	}
	return err
}
