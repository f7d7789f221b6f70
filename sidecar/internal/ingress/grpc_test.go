package ingress_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/ingress"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

var raw = grpc.ForceCodec(rawCodec{}) //nolint:gochecknoglobals // an option, the same for all

func TestUnary(t *testing.T) {
	t.Parallel()
	conn := dial(t, serve(t, ingress.Config{}))
	for _, size := range []int{0, 1, 4091, 4092, 4096, 65536, 1 << 20, 5 << 20} {
		for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}} {
			in := bytes.Repeat([]byte("mallee-"), size/7+1)[:size]
			var out []byte
			options = append(options, raw, grpc.MaxCallRecvMsgSize(6<<20))
			if err := conn.Invoke(patient(t), "/shop.Echo/Unary", &in, &out, options...); err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			if !bytes.Equal(in, out) {
				t.Errorf("%d bytes came back as %d", len(in), len(out))
			}
		}
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	conn := dial(t, serve(t, ingress.Config{}))
	for _, c := range []struct {
		method   string
		in, out  bool
		messages int
		want     []string
	}{
		{"In", true, false, 3, []string{"2"}},
		{"Out", false, true, 1, []string{"0"}},
		{"Both", true, true, 3, []string{"0", "1", "2"}},
		{"Both", true, true, 0, nil},
	} {
		desc := &grpc.StreamDesc{ClientStreams: c.in, ServerStreams: c.out}
		s, err := conn.NewStream(patient(t), desc, "/shop.Echo/"+c.method, raw)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		recv := func() error {
			var out []byte
			err := s.RecvMsg(&out)
			if err == nil {
				got = append(got, string(out))
			}
			return err
		}
		for i := range c.messages {
			in := fmt.Append(nil, i)
			if err := s.SendMsg(&in); err != nil {
				t.Fatal(err)
			}
			if c.in && c.out { // each is answered before the next is sent
				if err := recv(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := s.CloseSend(); err != nil {
			t.Fatal(err)
		}
		for err == nil {
			err = recv()
		}
		if err != io.EOF || strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s: %q, %v; want %q", c.method, got, err, c.want)
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		code codes.Code
		text string
	}{
		{command.Failed("no such item: 100 % gone\nüber"), codes.Unknown, "no such item: 100 % gone\nüber"},
		{command.Failed(""), codes.Unknown, ""},
		{fmt.Errorf("forward: %w", mallee.ErrUnavailable.Errorf("no node")), codes.Unavailable, "forward: unavailable: no node"},
		{mallee.ErrTimeout.Errorf("late"), codes.DeadlineExceeded, "late"},
		{mallee.ErrCanceled.Errorf("gone"), codes.Canceled, "gone"},
		{mallee.ErrOverloaded.Errorf("full"), codes.ResourceExhausted, "full"},
		{mallee.ErrInvalid.Errorf("no key"), codes.InvalidArgument, "no key"},
		{mallee.ErrNotFound.Errorf("no type"), codes.Unimplemented, "no type"},
		{mallee.ErrStorage.Errorf("disk"), codes.Internal, "disk"},
		{&mallee.Error{Code: "shop.closed", Message: "closed"}, codes.Unknown, "closed"},
		{status.Error(codes.DataLoss, "of the action"), codes.DataLoss, "of the action"},
		{errors.New("plain"), codes.Unknown, "plain"},
		{context.DeadlineExceeded, codes.DeadlineExceeded, "context deadline exceeded"},
	} {
		conn := dial(t, serve(t, ingress.Config{Server: fails(c.err)}))
		in, out := []byte{}, []byte{}
		err := conn.Invoke(patient(t), "/shop.Echo/Unary", &in, &out, raw)
		if s := status.Convert(err); s.Code() != c.code || s.Message() != c.text {
			t.Errorf("%v: %v %q, want %v %q", c.err, s.Code(), s.Message(), c.code, c.text)
		}
	}
}

func TestUnknownMethod(t *testing.T) {
	t.Parallel()
	address := serve(t, ingress.Config{})
	conn := dial(t, address)
	for _, path := range []string{"/shop.Echo/Other", "/other.Echo/Unary", "/x"} {
		in, out := []byte{}, []byte{}
		err := conn.Invoke(patient(t), path, &in, &out, raw)
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: %v", path, err)
		}
	}
	answer, _ := do(t, h2c(t), "POST", "http://"+address+"/no/method", "", "Content-Type: application/grpc")
	if answer.Status != http.StatusOK || answer.Header.Get("Grpc-Status") != "12" || len(answer.Trailer) > 0 {
		t.Errorf("not a status alone: %v %v", answer.Status, answer.Header)
	}
}

func TestErrorAfterReplies(t *testing.T) {
	t.Parallel()
	server := serverFunc(func(_ context.Context, _ *spec.Method, _ command.Metadata, x command.Exchange) error {
		if err := x.Send(&command.Reply{Payload: command.Payload{Value: []byte("one")}}); err != nil {
			return err
		}
		return command.Failed("no two")
	})
	conn := dial(t, serve(t, ingress.Config{Server: server}))
	s, err := conn.NewStream(patient(t), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/shop.Echo/Both", raw)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	if err := s.RecvMsg(&out); err != nil || string(out) != "one" {
		t.Fatal(string(out), err)
	}
	if err := s.RecvMsg(&out); status.Convert(err).Message() != "no two" {
		t.Error(err)
	}
}

func TestUnaryWithoutReply(t *testing.T) {
	t.Parallel()
	address := serve(t, ingress.Config{Server: answers()})
	answer, body := do(t, h2c(t), "POST", "http://"+address+"/shop.Echo/Unary", "\x00\x00\x00\x00\x00", "Content-Type: application/grpc")
	if answer.Header.Get("Grpc-Status") != "0" || body != "" {
		t.Errorf("%v %q", answer.Header, body)
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	server := serverFunc(func(ctx context.Context, _ *spec.Method, _ command.Metadata, _ command.Exchange) error {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("no deadline")
		}
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	})
	address := serve(t, ingress.Config{Server: server})
	answer, _ := do(t, h2c(t), "POST", "http://"+address+"/shop.Echo/Unary", "\x00\x00\x00\x00\x00", "Content-Type: application/grpc", "Grpc-Timeout: 1m")
	if answer.Header.Get("Grpc-Status") != "4" {
		t.Error(answer.Header)
	}
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	for _, bad := range []string{"1", "m", "1x", "123456789S", "-1S", "1.5S"} {
		answer, _ := do(t, h2c(t), "POST", "http://"+address+"/shop.Echo/Unary", "", "Content-Type: application/grpc", "Grpc-Timeout: "+bad)
		if answer.Header.Get("Grpc-Status") != "3" {
			t.Errorf("%s: %v", bad, answer.Header)
		}
	}
}

// A server that waits for a message hears of the deadline, though the client has
// sent nothing.
func TestDeadlineOfRead(t *testing.T) {
	t.Parallel()
	address := serve(t, ingress.Config{})
	for _, c := range []struct {
		client      *http.Client
		contentType string
	}{{h2c(t), "application/grpc"}, {http.DefaultClient, "application/grpc-web"}} {
		body, writer := io.Pipe()
		r, err := http.NewRequestWithContext(patient(t), http.MethodPost, "http://"+address+"/shop.Echo/Both", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", c.contentType)
		r.Header.Set("Grpc-Timeout", "1m")
		answer, err := c.client.Do(r)
		if err != nil {
			t.Fatal(c.contentType, err)
		}
		text, err := io.ReadAll(answer.Body)
		if got := answer.Header.Get("Grpc-Status") + string(text); !strings.Contains(got, "4") || err != nil {
			t.Errorf("%s: %q %v", c.contentType, got, err)
		}
		_ = answer.Body.Close()
		_ = writer.Close()
	}
}

func TestCancellation(t *testing.T) {
	t.Parallel()
	started, ended := make(chan struct{}), make(chan error, 2)
	server := serverFunc(func(ctx context.Context, _ *spec.Method, _ command.Metadata, x command.Exchange) error {
		close(started)
		_, err := x.Recv() // the client goes while it waits
		ended <- err
		<-ctx.Done()
		ended <- ctx.Err()
		return err
	})
	conn := dial(t, serve(t, ingress.Config{Server: server}))
	ctx, cancel := context.WithCancel(patient(t))
	if _, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/shop.Echo/Both", raw); err != nil {
		t.Fatal(err)
	}
	<-started
	cancel()
	if err := <-ended; err == nil || err == io.EOF {
		t.Errorf("Recv: %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("context: %v", err)
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	got := make(chan command.Metadata, 1)
	server := serverFunc(func(_ context.Context, _ *spec.Method, md command.Metadata, x command.Exchange) error {
		got <- md
		return x.Send(&command.Reply{Metadata: command.Metadata{
			{Key: "X-One", Text: "1"},
			{Key: "x-one", Text: "2"},
			{Key: "x-bytes-bin", Bytes: []byte("b"), Binary: true},
			{Key: "x-text-bin", Text: "AAEC"},
			{Key: "Content-Length", Text: "99"},
			{Key: "Transfer-Encoding", Text: "chunked"},
			{Key: "Connection", Text: "close"},
			{Key: "Content-Type", Text: "text/html"},
			{Key: "grpc-status", Text: "13"},
			{Key: ":status", Text: "500"},
			{Key: "bad name", Text: "x"},
			{Key: "", Text: "x"},
			{Key: "x-split", Text: "a\r\nb: c"},
		}})
	})
	conn := dial(t, serve(t, ingress.Config{Server: server}))
	ctx := metadata.AppendToOutgoingContext(patient(t), "x-B", "2", "x-a", "1", "x-a", "0", "x-raw-bin", "\x00\x01")
	var header metadata.MD
	in, out := []byte{}, []byte{}
	if err := conn.Invoke(ctx, "/shop.Echo/Unary", &in, &out, raw, grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range <-got {
		if strings.HasPrefix(e.Key, "x-") {
			lines = append(lines, e.Key+"="+e.Text)
		}
		if e.Key != strings.ToLower(e.Key) || e.Key == "te" || e.Key == "connection" || strings.HasPrefix(e.Key, ":") {
			t.Errorf("entry %q", e.Key)
		}
	}
	if want := "x-a=1 x-a=0 x-b=2 x-raw-bin=AAE"; strings.Join(lines, " ") != want {
		t.Errorf("the server got %q, want %q", lines, want)
	}
	if fmt.Sprint(header["x-one"]) != "[1 2]" || fmt.Sprint(header["x-text-bin"]) != "[\x00\x01\x02]" || fmt.Sprint(header["content-type"]) != "[application/grpc+proto]" {
		t.Errorf("the client got %v", header)
	}
	for _, name := range []string{"x-bytes-bin", "x-split", "grpc-status", "transfer-encoding"} {
		if header[name] != nil {
			t.Errorf("the client got %s: %q", name, header[name])
		}
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	address := serve(t, ingress.Config{MaxMessage: 1000})
	client := h2c(t)
	bomb := compressed(t, make([]byte, 1<<20))
	for name, c := range map[string]struct {
		body, encoding string
		status         codes.Code
	}{
		"no message":                    {"", "", codes.OK}, // the server decides
		"half a head":                   {"\x00\x00", "", codes.Internal},
		"half a message":                {"\x00\x00\x00\x00\x05ab", "", codes.Internal},
		"too large":                     {"\x00\x00\x00\x03\xe9" + strings.Repeat("x", 1001), "", codes.ResourceExhausted},
		"claims to be huge":             {"\x00\xff\xff\xff\xff", "", codes.ResourceExhausted},
		"compressed without saying how": {"\x01\x00\x00\x00\x01x", "", codes.Internal},
		"not gzip":                      {"\x01\x00\x00\x00\x01x", "gzip", codes.Internal},
		"bomb":                          {envelope(1, bomb), "gzip", codes.ResourceExhausted},
		"unknown encoding":              {"\x00\x00\x00\x00\x00", "br", codes.Unimplemented},
		"unknown flags":                 {"\x40\x00\x00\x00\x00", "", codes.Internal},
		"largest":                       {"\x00\x00\x00\x03\xe8" + strings.Repeat("x", 1000), "", codes.OK},
	} {
		headers := []string{"Content-Type: application/grpc+proto"}
		if c.encoding != "" {
			headers = append(headers, "Grpc-Encoding: "+c.encoding)
		}
		answer, _ := do(t, client, "POST", "http://"+address+"/shop.Echo/Unary", c.body, headers...)
		if got := grpcStatus(answer); got != fmt.Sprint(int(c.status)) {
			t.Errorf("%s: status %s %q, want %d", name, got, answer.Header.Get("Grpc-Message"), c.status)
		}
		if answer.Header.Get("Content-Type") != "application/grpc+proto" {
			t.Errorf("%s: content type %q", name, answer.Header.Get("Content-Type"))
		}
	}
}

// The body of a unary call has to come within a time.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	address := serve(t, ingress.Config{BodyTimeout: 10 * time.Millisecond})
	for name, c := range map[string]struct {
		client                  *http.Client
		path, contentType, want string
	}{
		"gRPC":      {h2c(t), "/shop.Echo/Unary", "application/grpc", "200 4"},
		"gRPC-Web":  {http.DefaultClient, "/shop.Echo/Unary", "application/grpc-web", "200 "},
		"Connect":   {http.DefaultClient, "/shop.Echo/Unary", "application/proto", "504 "},
		"JSON":      {http.DefaultClient, "/shop.Echo/Unary", "application/json", "408 "},
		"JSON of 2": {h2c(t), "/shop.Echo/Unary", "application/json", "408 "},
	} {
		body, writer := io.Pipe()
		r, err := http.NewRequestWithContext(patient(t), http.MethodPost, "http://"+address+c.path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", c.contentType)
		answer, err := c.client.Do(r)
		if err != nil {
			t.Fatal(name, err)
		}
		if got := fmt.Sprint(answer.StatusCode, " ", answer.Header.Get("Grpc-Status")); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		_ = answer.Body.Close()
		_ = writer.Close()
	}
}

func grpcStatus(r answer) string {
	if s := r.Trailer.Get("Grpc-Status"); s != "" {
		return s
	}
	return r.Header.Get("Grpc-Status")
}
