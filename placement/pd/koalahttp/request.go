package koalahttp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	maxBodyBytes   = 64 << 10        // a host record with all its services and labels
	bodyTime       = 5 * time.Second // from the end of the header to the end of the body
	idleConnection = 90 * time.Second
)

// readJSON reads a body into a request: types are those of encoding/json, null
// and a missing field are zero, unknown fields are skipped.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return refuse("%v", err)
	}
	return nil
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(bodyTime)); err == nil {
		// A deadline that passes later would cancel the request.
		defer control.SetReadDeadline(time.Time{}) //nolint:errcheck // the first one was taken
	} else if !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("read body: %w", err)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", maxBodyBytes)}
	case err != nil: // the client has gone, or is too slow
		return nil, fmt.Errorf("read body: %w", err)
	}
	return body, nil
}

// checkAddress keeps out what would break other hosts: a Python host takes an
// address apart at its only colon, whatever is there.
func checkAddress(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || n == 0 || host == "" || strings.ContainsAny(host, ": \t\r\n/") {
		return refuse("address %q: expected ip:port, with IPv4", addr)
	}
	return nil
}
