package ingress

import (
	"net/http"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
)

const (
	grpcType      = "application/grpc"
	grpcProtoType = "application/grpc+proto"
)

// isGRPC reports whether a request is of gRPC. Its HTTP method is not looked at.
func isGRPC(r *http.Request) bool {
	if r.ProtoMajor != 2 {
		return false
	}
	kind := r.Header.Get("Content-Type")
	return kind == grpcType || kind == grpcProtoType
}

func (h *Handler) serveGRPC(w http.ResponseWriter, r *http.Request, e *endpoint) {
	header := w.Header()
	header["Content-Type"] = r.Header["Content-Type"]
	header["Date"] = nil // no client of gRPC reads it
	s := h.newStream(w, r, e.Method)
	err := h.callGRPC(r, e, s)
	h.setStatus(header, s.answered, err)
}

// refuseGRPC answers a call that goes to nobody.
func (h *Handler) refuseGRPC(w http.ResponseWriter, why error) {
	w.Header().Set("Content-Type", grpcType)
	h.setStatus(w.Header(), false, why)
}

// callGRPC runs a call as the headers of gRPC say, which gRPC-Web shares.
func (h *Handler) callGRPC(r *http.Request, e *endpoint, s *stream) error {
	timeout, err := grpcTimeout(r.Header.Get("Grpc-Timeout"))
	if err != nil {
		return err
	}
	answers, err := s.compress(r.Header.Get("Grpc-Encoding"), r.Header.Get("Grpc-Accept-Encoding"))
	if err != nil {
		s.w.Header().Set("Grpc-Accept-Encoding", encodings)
		return err
	}
	if answers {
		s.w.Header().Set("Grpc-Encoding", gzipName)
	}
	return s.serve(h, r, e, timeout)
}

// setStatus sets headers to what a call has ended with, or trailers.
func (h *Handler) setStatus(header http.Header, trailer bool, err error) {
	status, message := "Grpc-Status", "Grpc-Message"
	if trailer {
		status, message = http.TrailerPrefix+"Grpc-Status", http.TrailerPrefix+"Grpc-Message"
	}
	code, text := statusOf(err)
	if code == codes.OK {
		header[status] = h.ok
		return
	}
	header[status] = []string{strconv.Itoa(int(code))}
	if text != "" {
		header[message] = []string{percentEncode(text)}
	}
}

// grpcTimeout reads a timeout: at most eight digits and a unit. Without one it is
// zero.
func grpcTimeout(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	last := len(text) - 1
	unit := timeoutUnit(text[last])
	n, err := strconv.ParseUint(text[:last], 10, 32)
	if err != nil || unit == 0 || last > 8 {
		return 0, refuse(codes.InvalidArgument, "the header grpc-timeout is not a timeout: %q", text)
	}
	return max(1, saturate(n, unit)), nil
}

func timeoutUnit(c byte) time.Duration {
	switch c {
	case 'H':
		return time.Hour
	case 'M':
		return time.Minute
	case 'S':
		return time.Second
	case 'm':
		return time.Millisecond
	case 'u':
		return time.Microsecond
	case 'n':
		return time.Nanosecond
	}
	return 0
}

// saturate is n units, or the longest time there is.
func saturate(n uint64, unit time.Duration) time.Duration {
	const longest = time.Duration(1<<63 - 1)
	if n > uint64(longest/unit) {
		return longest
	}
	return time.Duration(n) * unit
}
