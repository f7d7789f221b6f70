package ingress

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

const (
	jsonType          = "application/json"
	protoType         = "application/proto"
	connectProtoType  = "application/connect+proto"
	connectJSONType   = "application/connect+json"
	maxConnectTimeout = 10 // digits of milliseconds
)

// isConnectUnary reports whether a request is a unary call of Connect. With JSON
// it has to say so, see the package.
func isConnectUnary(r *http.Request, contentType string) bool {
	return contentType == protoType ||
		mediaType(contentType) == jsonType && r.Header.Get("Connect-Protocol-Version") != ""
}

func isConnectStream(contentType string) bool {
	return contentType == connectProtoType || contentType == connectJSONType
}

// serveConnectUnary answers a call whose message is the body of the request, and
// whose reply is that of the answer.
func (h *Handler) serveConnectUnary(w http.ResponseWriter, r *http.Request, e *endpoint) {
	if !e.Unary() {
		w.Header().Set("Accept-Post", connectProtoType+", "+connectJSONType)
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	}
	var codec *jsonCodec
	kind := protoType
	if r.Header.Get("Content-Type") != protoType {
		codec, kind = h.json, jsonType
	}
	answer, err := h.callConnect(w, r, e, codec)
	header := w.Header()
	if err != nil {
		code, text := statusOf(err)
		_, status := connectStatus(code)
		header.Set("Content-Type", jsonType)
		header.Del("Content-Encoding")
		w.WriteHeader(status)
		answer = connectError(code, text)
	} else {
		header.Set("Content-Type", kind)
	}
	_, _ = w.Write(answer) // what fails is the client's connection
}

func (h *Handler) callConnect(w http.ResponseWriter, r *http.Request, e *endpoint, codec *jsonCodec) ([]byte, error) {
	timeout, err := connectTimeout(r.Header.Get("Connect-Timeout-Ms"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := within(r, timeout)
	defer cancel()
	from := body{Reader: r.Body, w: w}
	from.setDeadline(ctx, h.config.BodyTimeout, true)
	value, err := from.readAll(h.config.MaxMessage)
	if err != nil {
		return nil, err
	}
	compressed := false
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", identityName:
	case gzipName:
		compressed = true
		if value, err = h.gzip.inflate(value, h.config.MaxMessage); err != nil {
			return nil, err
		}
	default:
		w.Header().Set("Accept-Encoding", encodings)
		return nil, unimplemented("messages may be compressed with %s, not with %q", gzipName, encoding)
	}
	if codec != nil {
		if value, err = codec.parse(e.Input, value, tolerant); err != nil {
			return nil, err
		}
	}
	x := single{value: value}
	if err := e.server.Serve(ctx, e.Method, metadataOf(r), &x); err != nil {
		return nil, endOf(ctx, err)
	}
	if x.reply == nil {
		return nil, errNoReply
	}
	value = x.reply.Payload.Value
	if codec != nil {
		if value, err = codec.print(nil, e.Output, value); err != nil {
			return nil, err
		}
	}
	addMetadata(w.Header(), x.reply.Metadata)
	if compressed && len(value) >= minGzip && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		w.Header().Set("Content-Encoding", gzipName)
		return h.gzip.deflate(value)
	}
	return value, nil
}

// serveConnectStream answers a call whose messages are in envelopes. The last one
// says how it has ended.
func (h *Handler) serveConnectStream(w http.ResponseWriter, r *http.Request, e *endpoint) {
	contentType := r.Header.Get("Content-Type")
	if e.Unary() {
		w.Header().Set("Accept-Post", protoType+", "+jsonType)
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	}
	w.Header().Set("Content-Type", contentType)
	s := h.newStream(w, r, e.Method)
	if contentType == connectJSONType {
		s.json = h.json
	}
	end := []byte("{}")
	if err := h.callConnectStream(r, e, s); err != nil {
		code, text := statusOf(err)
		end = append(append([]byte(`{"error":`), connectError(code, text)...), '}')
	}
	s.out.gzip = nil
	_ = s.out.write(flagEnd, end) // what fails is the client's connection
}

func (h *Handler) callConnectStream(r *http.Request, e *endpoint, s *stream) error {
	timeout, err := connectTimeout(r.Header.Get("Connect-Timeout-Ms"))
	if err != nil {
		return err
	}
	answers, err := s.compress(r.Header.Get("Connect-Content-Encoding"), r.Header.Get("Connect-Accept-Encoding"))
	if err != nil {
		s.w.Header().Set("Connect-Accept-Encoding", encodings)
		return err
	}
	if answers {
		s.w.Header().Set("Connect-Content-Encoding", gzipName)
	}
	return s.serve(h, r, e, timeout)
}

// connectError is an error as Connect writes it.
func connectError(code codes.Code, text string) []byte {
	name, _ := connectStatus(code)
	out, err := json.Marshal(struct {
		Code    string `json:"code"`
		Message string `json:"message,omitempty"`
	}{name, strings.ToValidUTF8(text, "\uFFFD")})
	if err != nil { // two strings can always be written
		panic(err)
	}
	return out
}

// connectTimeout reads a timeout in milliseconds. Without one it is zero.
func connectTimeout(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || len(text) > maxConnectTimeout {
		return 0, refuse(codes.InvalidArgument, "the header connect-timeout-ms is not a timeout: %q", text)
	}
	return max(1, saturate(n, time.Millisecond)), nil
}
