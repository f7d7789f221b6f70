package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mallee-io/mallee"
)

// timeoutHeader is how a client sets the deadline of its call.
const timeoutHeader = "Mallee-Timeout"

// serveCall answers a request for {type}/{key}/{method}, still escaped.
func (h *Handler) serveCall(w http.ResponseWriter, r *http.Request, path string) {
	id, m, err := h.actors.find(path)
	if err == nil {
		err = h.invoke(w, r, id, m)
	}
	if err != nil {
		writeProblem(w, err, id)
	}
}

func (h *Handler) invoke(w http.ResponseWriter, r *http.Request, id mallee.ID, m *method) error {
	if err := h.admit(r, m); err != nil {
		return err
	}
	ctx, cancel, err := h.deadline(r)
	if err != nil {
		return err
	}
	defer cancel()
	call := m.New()
	if r.Method == http.MethodPost {
		if err := h.readArguments(w, r, m, call); err != nil {
			return err
		}
	}
	if err := h.config.Caller.Invoke(ctx, id, call); err != nil {
		return err
	}
	return writeResults(w, m, call)
}

// admit refuses requests that HTTP already tells apart.
func (h *Handler) admit(r *http.Request, m *method) error {
	switch r.Method {
	case http.MethodPost:
		if err := h.config.CrossOrigin.Check(r); err != nil {
			return refuse(http.StatusForbidden, "pages of other origins may not call: %v", err)
		}
		return nil
	case http.MethodGet, http.MethodHead:
		if m.get {
			return nil
		}
	}
	if m.get {
		return notAllowed(r, http.MethodGet, http.MethodHead, http.MethodPost)
	}
	return notAllowed(r, http.MethodPost)
}

// deadline is the context of a call: it ends with the request, or earlier.
func (h *Handler) deadline(r *http.Request) (context.Context, context.CancelFunc, error) {
	text := r.Header.Get(timeoutHeader)
	if text == "" {
		return r.Context(), func() {}, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return nil, nil, refuse(http.StatusBadRequest, `header %s is %q, expected a positive duration such as "2s" or "500ms"`, timeoutHeader, text)
	}
	ctx, cancel := context.WithTimeout(r.Context(), min(d, h.config.MaxTimeout))
	return ctx, cancel, nil
}

// readArguments reads the body into the arguments of a call.
func (h *Handler) readArguments(w http.ResponseWriter, r *http.Request, m *method, call mallee.Call) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.config.MaxBodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return refuse(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", h.config.MaxBodyBytes)
	case err != nil && r.Context().Err() != nil:
		return mallee.ErrCanceled.Errorf("the client went away before its request was complete").BeforeRun()
	case err != nil:
		return refuse(http.StatusBadRequest, "read body: %v", err)
	}
	if body = bytes.TrimSpace(body); len(body) == 0 {
		body = []byte("{}")
	} else if err := checkContentType(r.Header); err != nil {
		return err
	}
	return decode(h.actors.schemas, m.args, body, call.Args())
}

// checkContentType lets only JSON in, and what curl -d calls a form: browsers
// send forms to other origins without asking, but admit has refused those.
func checkContentType(header http.Header) error {
	if encoding := header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return refuse(http.StatusUnsupportedMediaType, "the body has Content-Encoding %q, expected none", encoding)
	}
	kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || kind != "application/json" && kind != "application/x-www-form-urlencoded" {
		return refuse(http.StatusUnsupportedMediaType, "the body has Content-Type %q, expected application/json", header.Get("Content-Type"))
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return refuse(http.StatusUnsupportedMediaType, "the body has charset %q, expected utf-8", charset)
	}
	return nil
}

// writeResults encodes before it answers, so that results which JSON cannot
// carry are an error and not half an answer.
func writeResults(w http.ResponseWriter, m *method, call mallee.Call) error {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case m.oneway:
		w.WriteHeader(http.StatusAccepted)
		return nil
	case !m.hasResults:
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	body, err := json.Marshal(call.Results())
	if err != nil {
		return errUnknown.Errorf("%s.%s has run, but its results have no JSON form: %v", call.Interface(), call.Method(), err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n')) // a client that has gone reads nothing
	return nil
}

// splitPath takes {type}/{key}/{method} apart and unescapes the parts.
func splitPath(path string) (typ, key, method string, err error) {
	parts := strings.Split(path, "/")
	if len(parts) != 3 {
		return "", "", "", mallee.ErrNotFound.Errorf("the path of a call is /actors/{type}/{key}/{method}, with slashes in the key written as %%2F").BeforeRun()
	}
	for i := range parts {
		if parts[i], err = url.PathUnescape(parts[i]); err != nil {
			return "", "", "", refuse(http.StatusBadRequest, "path: %v", err)
		}
	}
	return parts[0], parts[1], parts[2], nil
}
