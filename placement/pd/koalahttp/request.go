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
)

// maxBodyBytes bounds a body: a host with all its services and labels.
const maxBodyBytes = 64 << 10

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

// checkAddress refuses what others cannot dial: a Python host takes an address
// apart at its only colon, and fails if there is none.
func checkAddress(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || n == 0 || host == "" || strings.ContainsAny(host, ": \t\r\n/") {
		return refuse("address %q: expected ip:port, with IPv4", addr)
	}
	return nil
}
