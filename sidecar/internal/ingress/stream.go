package ingress

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// stream is the exchange of a call whose messages are in envelopes: of gRPC,
// gRPC-Web, and Connect's streams.
type stream struct {
	on   *spec.Method
	w    http.ResponseWriter
	in   envelopes
	out  envelopeWriter
	json *jsonCodec // nil: messages are protobuf

	answered bool // something is written
	// failed is why Recv has failed: it says more than what the server makes of
	// it. The goroutine of Recv may outlive the call.
	failed atomic.Pointer[refusal]
}

var _ command.Exchange = (*stream)(nil)

// newStream is the exchange of a call, of protobuf and without compression until
// it is told otherwise.
func (h *Handler) newStream(w http.ResponseWriter, r *http.Request, on *spec.Method) *stream {
	return &stream{
		on:  on,
		w:   w,
		in:  envelopes{from: body{Reader: r.Body, w: w}, max: h.config.MaxMessage, pool: &h.gzip, buffers: &h.buffers},
		out: envelopeWriter{to: w},
	}
}

// encodings are those that compress takes.
const encodings = identityName + "," + gzipName

// compress sets how messages of the client are compressed, and whether it wants
// answers like that: it does when it compresses itself and accepts it too.
func (s *stream) compress(encoding, accepts string) (answers bool, err error) {
	switch encoding {
	case "", identityName:
		return false, nil
	case gzipName:
	default:
		return false, unimplemented("messages may be compressed with %s, not with %q", gzipName, encoding)
	}
	s.in.gzip = true
	if answers = acceptsGzip(accepts); answers {
		s.out.gzip = s.in.pool
	}
	return answers, nil
}

func acceptsGzip(accepts string) bool {
	for one := range strings.SplitSeq(accepts, ",") {
		if strings.TrimSpace(one) == gzipName {
			return true
		}
	}
	return false
}

// serve runs the call. The error is the status that it ends with.
func (s *stream) serve(h *Handler, r *http.Request, e *endpoint, timeout time.Duration) error {
	ctx, cancel := within(r, timeout)
	defer cancel()
	defer s.in.from.end()
	s.in.from.setDeadline(ctx, h.config.BodyTimeout, !s.on.ClientStreams)
	if s.on.ServerStreams && r.ProtoMajor == 1 {
		// Or net/http would drop the rest of the request at the first answer.
		_ = http.NewResponseController(s.w).EnableFullDuplex()
	}
	err := e.server.Serve(ctx, e.Method, metadataOf(r), s)
	if why := s.failed.Load(); err != nil && why != nil {
		return why
	}
	return endOf(ctx, err)
}

// endOf is the error of a call, or why its client has not waited for that.
func endOf(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return refuse(codes.DeadlineExceeded, "the deadline of the call has passed")
	}
	return refuse(codes.Canceled, "the client has gone")
}

// Recv is the next message of the client.
func (s *stream) Recv() ([]byte, error) {
	value, err := s.recv()
	if err != nil && err != io.EOF {
		code, text := statusOf(err)
		s.failed.Store(&refusal{code, text})
	}
	return value, err
}

func (s *stream) recv() ([]byte, error) {
	flags, value, err := s.in.next()
	switch {
	case err != nil:
		return nil, err
	case flags != 0:
		return nil, malformed("a message has the unknown flags %#x", flags)
	case s.json != nil:
		return s.json.parse(s.on.Input, value, tolerant)
	}
	return value, nil
}

// Send gives an answer to the client. One of a stream leaves at once, the only one
// of a unary call together with the status.
func (s *stream) Send(reply *command.Reply) (err error) {
	value := reply.Payload.Value
	if s.json != nil {
		if value, err = s.json.print(nil, s.on.Output, value); err != nil {
			return err
		}
	}
	if !s.answered {
		addMetadata(s.w.Header(), reply.Metadata)
		s.answered = true
	}
	if err := s.out.write(0, value); err != nil {
		return err
	}
	if s.on.ServerStreams {
		return http.NewResponseController(s.w).Flush()
	}
	return nil
}
