package ingress

import (
	"net/http"
	"time"
)

// stallWriter is the answer to a request of HTTP/1.1: a client that takes nothing
// for a while loses its connection. Of HTTP/2 net/http sees to that itself.
type stallWriter struct{ http.ResponseWriter }

// stallPiece is how many bytes a client has to take in that while.
const stallPiece = 64 << 10

// Unwrap is for http.ResponseController.
func (w *stallWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *stallWriter) WriteHeader(status int) {
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

func (w *stallWriter) Write(b []byte) (n int, err error) {
	for {
		w.extend()
		piece := b[n:min(len(b), n+stallPiece)]
		written, err := w.ResponseWriter.Write(piece)
		if n += written; err != nil || n == len(b) {
			return n, err
		}
	}
}

// extend begins the time anew. A writer without deadlines is one of a test.
func (w *stallWriter) extend() {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(writeStall))
}
