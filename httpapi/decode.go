package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mallee-io/mallee"
)

// decode reads the body into the arguments of a call. An empty body is an
// empty object.
func (h *Handler) decode(w http.ResponseWriter, r *http.Request, m *method, args any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.config.MaxBody))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return fmt.Errorf("the body is larger than %d bytes: %w", h.config.MaxBody, err)
		}
		return mallee.ErrInvalid.Errorf("read body: %v", err)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	} else if media := r.Header.Get("Content-Type"); media != "" {
		if kind, _, err := mime.ParseMediaType(media); err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") && kind != "application/x-www-form-urlencoded" {
			// curl -d says that it sends a form; what counts is what comes.
			return mallee.ErrInvalid.Errorf("the body is %q, it has to be application/json", media)
		}
	}
	return decodeBody(h.services.registry, m.args, body, args)
}

func decodeBody(registry huma.Registry, schema *huma.Schema, body []byte, args any) error {
	if !utf8.Valid(body) {
		return mallee.ErrInvalid.Errorf("the body is not valid UTF-8")
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return mallee.ErrInvalid.Errorf("the body is not JSON: %v", err)
	}
	var result huma.ValidateResult
	huma.Validate(registry, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, &result)
	if len(result.Errors) > 0 {
		return mallee.ErrInvalid.Errorf("wrong arguments: %s", describe(result.Errors))
	}
	if err := json.Unmarshal(body, args); err != nil { // what a schema does not know, such as the range of an int8
		return mallee.ErrInvalid.Errorf("wrong arguments: %v", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// describe says which argument is wrong, and how.
func describe(errs []error) string {
	var parts []string
	for _, err := range errs {
		var detail *huma.ErrorDetail
		if errors.As(err, &detail) {
			where := detail.Location
			if where != "" {
				where += ": "
			}
			parts = append(parts, where+detail.Message)
			continue
		}
		parts = append(parts, err.Error())
	}
	return strings.Join(parts, "; ")
}
