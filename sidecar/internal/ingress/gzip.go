package ingress

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"google.golang.org/grpc/codes"
)

const (
	gzipName     = "gzip"
	identityName = "identity"
	// minGzip is the size in bytes from which on it is worth to compress.
	minGzip = 1 << 10
)

// gzipPool keeps the states of compression, which are large. Its zero value is
// ready.
type gzipPool struct{ readers, writers sync.Pool }

// inflate is what data is compressed of, if that has at most max bytes. It
// allocates no more than that, whatever data promises.
func (p *gzipPool) inflate(data []byte, max int) ([]byte, error) {
	r, _ := p.readers.Get().(*gzip.Reader)
	if r == nil {
		r = new(gzip.Reader)
	}
	defer p.readers.Put(r)
	if err := r.Reset(bytes.NewReader(data)); err != nil {
		return nil, malformed("a message is not compressed with gzip: %v", err)
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(max)+1))
	if err != nil {
		return nil, malformed("a message is not compressed with gzip: %v", err)
	}
	if len(out) > max {
		return nil, tooLarge(max)
	}
	return out, nil
}

// deflate compresses data.
func (p *gzipPool) deflate(data []byte) ([]byte, error) {
	w, _ := p.writers.Get().(*gzip.Writer)
	if w == nil {
		w = gzip.NewWriter(nil)
	}
	defer p.writers.Put(w)
	var out bytes.Buffer
	w.Reset(&out)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func tooLarge(max int) *refusal {
	return refuse(codes.ResourceExhausted, "a message has more than %d bytes", max)
}
