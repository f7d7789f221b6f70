package ingress

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/template"
)

// httpBody is the message that is an answer as it is, with its content type. The
// numbers are those of its fields.
const (
	httpBody            = "google.api.HttpBody"
	httpBodyContentType = 1
	httpBodyData        = 2
)

const (
	eventStreamType = "text/event-stream"
	octetsType      = "application/octet-stream"
	textType        = "text/plain; charset=utf-8"
)

// serveJSON answers a request of HTTP/JSON. Malformed ones are told nothing but
// that; the error of a call is status 500 and its text.
func (h *Handler) serveJSON(w http.ResponseWriter, r *http.Request, to *route, variables []template.Variable) {
	ctx := r.Context()
	value, err := h.readRequest(ctx, w, r, to, variables)
	if err != nil {
		h.config.Log.DebugContext(ctx, "ingress: malformed request", "service", to.Service.Name, "method", to.Name, "error", err)
		status := requestStatus(err)
		answerText(w, status, http.StatusText(status))
		return
	}
	md := append(metadataOf(r), command.Entry{Key: "grpc-accept-encoding", Text: identityName})
	x := &transcoded{single: single{value: value}, h: h, w: w, to: to}
	x.events = strings.Contains(r.Header.Get("Accept"), eventStreamType)
	err = to.server.Serve(ctx, to.Method, md, x)
	x.end(endOf(ctx, err))
}

// requestStatus is the HTTP status of a request that cannot be read.
func requestStatus(err error) int {
	switch code, _ := statusOf(err); code {
	case codes.ResourceExhausted:
		return http.StatusRequestEntityTooLarge
	case codes.DeadlineExceeded:
		return http.StatusRequestTimeout
	default:
		return http.StatusBadRequest
	}
}

func answerText(w http.ResponseWriter, status int, text string) {
	header := w.Header()
	header.Set("Content-Type", textType)
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // what fails is the client's connection
}

// transcoded is the exchange of a call of HTTP/JSON.
type transcoded struct {
	single
	h      *Handler
	w      http.ResponseWriter
	to     *route
	events bool // answers of a stream as Server-Sent Events
	begun  bool // of a stream: the headers are written
}

var _ command.Exchange = (*transcoded)(nil)

// Send writes an answer of a stream; the one of a unary call waits for the call's
// end.
func (t *transcoded) Send(reply *command.Reply) error {
	if !t.to.ServerStreams {
		return t.single.Send(reply)
	}
	b, err := t.format(reply)
	if err != nil {
		return err
	}
	if !t.begun {
		t.begin(reply)
	}
	if _, err := t.w.Write(b); err != nil {
		return err
	}
	return http.NewResponseController(t.w).Flush()
}

// format is one answer of a stream.
func (t *transcoded) format(reply *command.Reply) (b []byte, err error) {
	switch {
	case t.events:
		b = append(b, "data:"...)
	case t.raw():
		_, data, err := readHTTPBody(reply.Payload.Value)
		return data, err
	}
	if b, err = t.print(b, reply); err != nil {
		return nil, err
	}
	if t.events {
		b = append(b, '\n')
	}
	return append(b, '\n'), nil
}

// print appends the JSON of an answer.
func (t *transcoded) print(b []byte, reply *command.Reply) ([]byte, error) {
	if t.to.response != nil {
		return t.h.json.printField(b, t.to.response, reply.Payload.Value)
	}
	return t.h.json.print(b, t.to.Output, reply.Payload.Value)
}

// raw reports whether answers are bytes of the user function's own.
func (t *transcoded) raw() bool {
	return t.to.response == nil && t.to.Output.FullName() == protoreflect.FullName(httpBody)
}

// begin writes the headers of a stream, with the metadata of its first answer, if
// there is one.
func (t *transcoded) begin(first *command.Reply) {
	t.begun = true
	contentType := jsonType
	switch {
	case t.events:
		contentType = eventStreamType
		t.w.Header().Set("Cache-Control", "no-store")
	case t.raw():
		contentType = octetsType
	}
	if first != nil {
		addMetadata(t.w.Header(), first.Metadata)
		if own, ok := first.Metadata.Get("content-type"); ok && t.raw() && !t.events && validHeader("content-type", own) {
			contentType = own
		}
	}
	t.w.Header().Set("Content-Type", contentType)
	t.w.WriteHeader(http.StatusOK)
}

// end writes what is left when the call has ended.
func (t *transcoded) end(err error) {
	switch {
	case t.begun && err != nil:
		panic(http.ErrAbortHandler) // nothing else tells the client that the stream is not whole
	case err != nil:
		_, text := statusOf(err)
		answerText(t.w, http.StatusInternalServerError, text)
	case t.begun:
	case t.to.ServerStreams:
		t.begin(nil)
	default:
		t.answer()
	}
}

// answer writes the reply of a call that has one.
func (t *transcoded) answer() {
	contentType, b, err := t.body()
	if err != nil {
		_, text := statusOf(err)
		answerText(t.w, http.StatusInternalServerError, text)
		return
	}
	header := t.w.Header()
	addMetadata(header, t.reply.Metadata)
	if contentType == "" || !validHeader("content-type", contentType) {
		header["Content-Type"] = nil // or net/http would guess one
	} else {
		header.Set("Content-Type", contentType)
	}
	_, _ = t.w.Write(b) // what fails is the client's connection
}

func (t *transcoded) body() (contentType string, b []byte, err error) {
	if t.reply == nil {
		return "", nil, errNoReply
	}
	if t.raw() {
		return readHTTPBody(t.reply.Payload.Value)
	}
	b, err = t.print(nil, t.reply)
	return jsonType, b, err
}

var errHTTPBody = errors.New("the reply is not a message " + httpBody)

// readHTTPBody finds the fields of an HttpBody in its bytes.
func readHTTPBody(value []byte) (contentType string, data []byte, err error) {
	for len(value) > 0 {
		number, kind, n := protowire.ConsumeField(value)
		if n < 0 {
			return "", nil, errHTTPBody
		}
		if kind == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(value)
			text, _ := protowire.ConsumeBytes(value[tag:])
			switch number {
			case httpBodyContentType:
				contentType = string(text)
			case httpBodyData:
				data = text
			}
		}
		value = value[n:]
	}
	return contentType, data, nil
}
